--- Return the record of a video job whose last claim is `fence`, or nil.
-- @needs find_video
local function held_video(store, job_id, fence)
  local record = find_video(store, job_id)
  if record and record.fence == tonumber(fence) then
    return record
  end
end
