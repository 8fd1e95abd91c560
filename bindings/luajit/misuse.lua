-- Wrong use is an error with a number, never a crash; what is left open does not delay the end.

local ffi = require "ffi"
local ph = require "pyhelpers"

local function fails(what, ...)
    local is_fine, failure = pcall(...)
    print(what .. ": " .. (is_fine and "nothing" or tostring(failure.code)))
end

local peer, address = ph.make("peer", nil), ffi.new("ph_addr_t")
ph.peer_close(peer)
local other = ph.make("peer", nil)
fails("NULL for a handle", ph.peer_open, nil)
fails("a closed handle", ph.peer_addr, peer, address)
fails("closed twice", ph.peer_close, peer)
fails("a handle of another kind", ph.udph_fd, ffi.cast("udph_t *", other))
fails("NULL for an output", ph.peer_addr, other, nil)

ph.peer_open(other)
local config = ph.sized("udph_config_t", {recv_reactors = 1})
local handler = ph.make("udph", ph.peer_socket(other), config)
local fd = ph.udph_fd(handler)
handler, config = nil, nil
collectgarbage()
print("left open: " .. (fd > 0 and "a handler" or ""))
