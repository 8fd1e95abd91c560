-- A handler, whose native threads receive and send, answers what a peer sends.
-- Run it as `luajit udp_echo.lua` in this folder.

local ffi = require "ffi"
local ph = require "pyhelpers"

local BATCH, ROOM = 100, 65536
local items, buffer = ffi.new("ph_datagram_t[?]", BATCH), ffi.new("uint8_t[?]", ROOM)

local function open_peer()
    local config = ph.sized("peer_config_t")
    ph.ph_addr_parse("127.0.0.1", 9, 0, config.addr)
    local peer = ph.make("peer", config)
    ph.peer_open(peer)
    return peer
end

-- A handler takes any UDP socket, and keeps a duplicate of it.
local bound, address = open_peer(), ffi.new("ph_addr_t")
ph.peer_addr(bound, address)
local config = ph.sized("udph_config_t", {recv_reactors = 1})
local server = ph.make("udph", ph.peer_socket(bound), config)
ph.peer_close(bound)

local client = open_peer()
local payloads = {}
for n = 0, BATCH - 1 do
    payloads[n] = "datagram " .. n
    items[n].addr, items[n].data, items[n].len = address, payloads[n], #payloads[n]
end
ph.peer_send(client, items, nil, BATCH)

local answered = 0
while answered < BATCH do
    -- What was received is what to send: the address is the sender's.
    local n = ph.udph_get_recved(server, items, BATCH, buffer, ROOM, 5000)
    answered = answered + ph.udph_dispatch(server, items, n, 0)
end

local received, last = 0
while received < BATCH do
    local n = ph.peer_receive(client, items, nil, BATCH, buffer, ROOM, 5000)
    received, last = received + n, ffi.string(items[n - 1].data, items[n - 1].len)
end
print(received .. " answers, the last one: " .. last)

ph.peer_close(client)
ph.udph_close(server, 1000, nil)
