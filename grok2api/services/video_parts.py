"""What making videos needs, joined once per process."""

from dataclasses import dataclass, field

from grok2api.config.media import VideoSettings
from grok2api.domain.account import ProviderKind
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.model import Model
from grok2api.domain.video import VideoRequest
from grok2api.errors import InvalidRequestError
from grok2api.providers.media import AssetBackend, VideoBackend
from grok2api.services.attempt import DispatchParts
from grok2api.services.budget import Headcount
from grok2api.services.media import MediaLibrary
from grok2api.services.video_references import VideoReferences
from grok2api.store.videos import VideoStore

_MODELS = {model.name: model for model in CATALOGUE}


@dataclass(frozen=True, slots=True)
class VideoParts:
    """What making videos needs. `workers` are those of the whole process."""

    dispatch: DispatchParts
    store: VideoStore
    library: MediaLibrary
    references: VideoReferences
    settings: VideoSettings
    workers: Headcount = field(default_factory=Headcount)

    def videos_of(self, kind: ProviderKind) -> VideoBackend:
        """Return what makes videos at this kind of upstream.

        Raises:
            InvalidRequestError: nothing does.
        """
        backend = self.dispatch.providers[kind].videos
        if backend is None:
            raise _cannot()
        return backend

    def assets_of(self, kind: ProviderKind) -> AssetBackend:
        """Return what fetches videos from this kind of upstream.

        Raises:
            InvalidRequestError: nothing does.
        """
        backend = self.dispatch.providers[kind].assets
        if backend is None:
            raise _cannot()
        return backend


def model_of(request: VideoRequest) -> Model:
    """Return the model of a job.

    Raises:
        InvalidRequestError: this version does not know it.
    """
    model = _MODELS.get(request.model)
    if model is None:
        raise _cannot()
    return model


def _cannot() -> InvalidRequestError:
    return InvalidRequestError("This model makes no videos.", param="model")
