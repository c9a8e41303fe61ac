"""Settings of images and documents in requests."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

UploadForm = Literal["direct", "json"]


class FileSettings(Struct, frozen=True, kw_only=True):
    """Images and documents that clients give with a request."""

    enabled: Annotated[
        bool, Meta(title="Files", description="Take images and documents in requests.")
    ] = True
    fetch_urls: Annotated[
        bool,
        Meta(
            title="Fetch URLs",
            description="Fetch files that are named by URL, from public addresses only.",
        ),
    ] = True
    fetch_timeout_s: Annotated[
        float,
        Meta(title="Fetch", description="Until a file named by URL is in.", gt=0, le=600),
    ] = 30.0
    max_files: Annotated[
        int, Meta(title="Files per request", description="Different files.", ge=1, le=100)
    ] = 8
    max_file_mb: Annotated[
        int, Meta(title="File size", description="Largest file.", ge=1, le=1024)
    ] = 32
    max_request_mb: Annotated[
        int,
        Meta(title="Size together", description="All files of one request.", ge=1, le=4096),
    ] = 64
    memory_mb: Annotated[
        int,
        Meta(
            title="Memory",
            description="Files held at the same time, per worker; further requests wait.",
            ge=1,
            le=65_536,
        ),
    ] = 256
    upload_form: Annotated[
        UploadForm,
        Meta(
            title="Upload form",
            description="How files go to the site. direct: as its page does; json: the older way.",
        ),
    ] = "direct"
    upload_timeout_s: Annotated[
        float, Meta(title="Upload", description="Until the site has a file.", gt=0, le=3600)
    ] = 60.0
    upload_concurrency: Annotated[
        int,
        Meta(
            title="Concurrent uploads",
            description="Files uploaded at the same time, per worker.",
            ge=1,
            le=1000,
        ),
    ] = 10
    delete_after_use: Annotated[
        bool,
        Meta(
            title="Delete after use",
            description="Delete uploaded files from the account once the answer has ended.",
        ),
    ] = False
