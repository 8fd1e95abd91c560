import static pyhelpers.Pyhelpers.*;

import com.sun.jna.Memory;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import pyhelpers.Struct;

/** A handler, whose native threads receive and send, answers what a peer sends. */
final class UdpEcho {
    private static final int BATCH = 100;
    private static final int ROOM = 65536;

    private static final int EBADF = -9;
    private static final int ESHUTDOWN = -108;

    /** An open peer at a free port of the loopback. */
    private static Handle openPeer() throws Failure {
        Struct config = Struct.of("peer_config_t");
        call("ph_addr_parse", "127.0.0.1", 9, 0, config.struct("addr"));
        Handle peer = make("peer", config);
        call("peer_open", peer);
        return peer;
    }

    /** Waits, beside the program's other threads, until the handler is closed. */
    private static void answer(Handle server) {
        Struct[] items = Struct.array("ph_datagram_t", BATCH);
        try (Memory buffer = new Memory(ROOM)) {
            while (true) {
                // What was received is what to send: the address is the sender's.
                long n = call("udph_get_recved", server, items, BATCH, buffer, ROOM, -1);
                call("udph_dispatch", server, items, n, 0);
            }
        } catch (Failure failure) {
            // Closed during the call, or just before it.
            boolean isClosed = failure.code == ESHUTDOWN || failure.code == EBADF;
            if (!isClosed) throw new UncheckedIOException(failure);
        }
    }

    private static void ask(Handle client, Struct server) throws Failure {
        Struct[] items = Struct.array("ph_datagram_t", BATCH);
        Memory[] payloads = new Memory[BATCH];
        for (int n = 0; n < BATCH; n++) {
            payloads[n] = bytes("datagram " + n);
            items[n].set("addr", server).set("data", payloads[n]).set("len", payloads[n].size());
        }
        call("peer_send", client, items, null, BATCH);

        Memory buffer = new Memory(ROOM);
        String last = "";
        for (int received = 0; received < BATCH; ) {
            long n = call("peer_receive", client, items, null, BATCH, buffer, ROOM, 5000);
            received += n;
            last = new String(items[(int) n - 1].data(), StandardCharsets.UTF_8);
        }
        System.out.println(BATCH + " answers, the last one: " + last);
    }

    public static void main(String[] arguments) throws Exception {
        Handle bound = openPeer();
        Struct address = Struct.of("ph_addr_t");
        call("peer_addr", bound, address);
        // A handler takes any UDP socket, and keeps a duplicate of it; Java's have no number.
        Struct config = Struct.of("udph_config_t").set("recv_reactors", 1);
        long socket = call("peer_socket", bound);
        try (var server = make("udph", socket, config); var client = openPeer()) {
            bound.close();
            new Thread(() -> answer(server)).start();
            ask(client, address);
        }
    }
}
