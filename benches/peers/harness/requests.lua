-- wrk's side of a run: lines `METHOD TARGET AUTHORIZATION`, one of them at random each time.
-- Arguments: the file; then `changing` for an auth token, or `strangers` for a SID, that is
-- wrong and never twice the same; then the size of a body to send, if any.

local heads = {}
local chunks = {}
local body = nil

local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Base64 of three digits: four characters that can be put at any multiple of four.
local function encoded(number)
  local text = string.format("%03d", number)
  local a, b, c = text:byte(1, 3)
  local bits = a * 65536 + b * 256 + c
  local out = {}
  for place = 3, 0, -1 do
    local index = math.floor(bits / 64 ^ place) % 64
    out[#out + 1] = letters:sub(index + 1, index + 1)
  end
  return table.concat(out)
end

local function format(method, target, authorization)
  local headers = { ["Authorization"] = authorization }
  if wrk.headers["Host"] then headers["Host"] = wrk.headers["Host"] end
  return wrk.format(method, target, headers, body)
end

function init(arguments)
  local kind = arguments[2] or "plain"
  if arguments[3] then body = string.rep("x", tonumber(arguments[3])) end
  math.randomseed(7)
  for line in io.lines(arguments[1]) do
    local method, target, authorization = line:match("^(%S+) (%S+) (.+)$")
    if kind == "plain" then
      heads[#heads + 1] = format(method, target, authorization)
    else
      -- The nine changing digits stand for four times three characters of the credentials:
      -- of the SID from its fourth character on, or of the auth token from its sixth.
      local at = #"Basic " + (kind == "strangers" and 5 or 57)
      local whole = format(method, target, authorization)
      local begin = whole:find(authorization, 1, true)
      heads[#heads + 1] = { whole:sub(1, begin + at - 2), whole:sub(begin + at + 11) }
    end
    if kind ~= "plain" and #heads >= 2000 then break end
  end
  for number = 0, 999 do chunks[number + 1] = encoded(number) end
  local random, count = math.random, #heads
  if kind ~= "plain" then
    request = function()
      local head = heads[random(count)]
      return head[1] .. chunks[random(1000)] .. chunks[random(1000)] .. chunks[random(1000)] .. head[2]
    end
  elseif count > 1 then
    request = function() return heads[random(count)] end
  else
    -- One request alone: without this function wrk does not call Lua at all.
    local method, target, authorization = nil, nil, nil
    for line in io.lines(arguments[1]) do
      method, target, authorization = line:match("^(%S+) (%S+) (.+)$")
    end
    wrk.method, wrk.path, wrk.body = method, target, body
    wrk.headers["Authorization"] = authorization
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "bytes": %d, "refused": %d, "lost": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
