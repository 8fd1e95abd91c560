-- A loop with a TCP echo server, a client that says something at each tick, and the timer.
-- Run it as `luajit event_loop.lua` in this folder.

local ffi = require "ffi"
local ph = require "pyhelpers"

local EVENTS, ROOM = 64, 65536
local events, buffer = ffi.new("evloop_event_t[?]", EVENTS), ffi.new("uint8_t[?]", ROOM)

local loop = ph.make("evloop", nil)
local server = ph.tcp_listen(loop, "127.0.0.1", "0", nil, nil)
local address = ffi.new("ph_addr_t")
ph.tcp_local(loop, server, address)
local client = ph.tcp_connect(loop, "127.0.0.1", tostring(address.port), nil, nil)
local timer = ffi.new("evloop_timer_t", {period_ns = 10e6})
ph.evloop_timer_add(loop, timer, 1)

local ticks, answer = 0, ""

local function handle(event)
    if event.kind == ph.EVLOOP_TIMER and ticks < 3 then
        ticks = ticks + 1
        local message = "tick " .. ticks .. "\n"
        ph.tcp_send(loop, client, message, #message)
    elseif event.kind == ph.TCP_DATA and event.id == client then
        answer = answer .. ffi.string(event.data, event.len)
    elseif event.kind == ph.TCP_DATA then
        ph.tcp_send(loop, event.id, event.data, event.len)
    elseif event.kind == ph.TCP_CLOSED and event.error ~= 0 then
        ph.check(-event.error)
    end
end

repeat
    local n = ph.evloop_poll(loop, events, EVENTS, buffer, ROOM, 5000)
    for i = 0, n - 1 do handle(events[i]) end
until select(2, answer:gsub("\n", "")) == 3
io.write(answer)

ph.evloop_close(loop)
