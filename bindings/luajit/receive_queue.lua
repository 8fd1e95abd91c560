-- A handler's threads put what arrives into a receive queue, which keeps the last 5 of each sender.
-- Run it as `luajit receive_queue.lua` in this folder.

local ffi = require "ffi"
local ph = require "pyhelpers"

local GROUP, MESSAGES = "telemetry", 30

local socket = ph.sized("peer_config_t")
ph.ph_addr_parse("127.0.0.1", 9, 0, socket.addr)
local peer, address = ph.make("peer", socket), ffi.new("ph_addr_t")
ph.peer_open(peer)
ph.peer_addr(peer, address)
local config = ph.sized("udph_config_t", {recv_reactors = 1})
local handler = ph.make("udph", ph.peer_socket(peer), config)
ph.peer_close(peer)

-- A sender is known by the first 6 bytes of its messages.
local groups = ffi.new("ph_bytes_t[1]", {{GROUP, #GROUP}})
local queue = ph.make("rq", groups, 1, 5, ph.RQ_RW, nil)
local by_name = ph.sized("rq_feed_config_t", {key = ph.RQ_BY_RANGE, offset = 0, length = 6})
ph.rq_feed_udph(queue, GROUP, #GROUP, by_name, handler)

for n = 0, MESSAGES - 1 do
    local message = ("node-%d: %d"):format(n % 2, n)
    ph.udph_dispatch_to(handler, address, 0, message, #message)
end

local stats = ph.sized("rq_stats_t")
while stats.received < MESSAGES do
    ph.rq_wait(queue, GROUP, #GROUP, 5000)
    ph.rq_stats(queue, stats)
end

local values, bytes = ffi.new("rq_value_t[5]"), ffi.new("uint8_t[1024]")
local idx = "node-1"
local n = ph.rq_extract(queue, GROUP, #GROUP, idx, #idx, values, 5, bytes, 1024, nil)
for i = 0, n - 1 do
    print(ffi.string(bytes + values[i].offset, values[i].len))
end

ph.udph_close(handler, 1000, nil)
ph.rq_close(queue)
