import static pyhelpers.Pyhelpers.*;

import com.sun.jna.Memory;
import java.nio.charset.StandardCharsets;
import pyhelpers.Struct;

/** A handler's threads put what arrives into a queue that keeps the last 5 of each sender. */
final class ReceiveQueue {
    private static final Memory GROUP = bytes("telemetry");
    private static final int MESSAGES = 30;

    private static void say(Handle peer, Struct to) throws Failure {
        for (int n = 0; n < MESSAGES; n++) {
            Memory message = bytes("node-" + n % 2 + ": " + n);
            call("udph_dispatch_to", peer, to, 0, message, message.size());
        }
    }

    /** Sleeps until the group has something new, and again until all has come. */
    private static void await(Handle queue) throws Failure {
        Struct stats = Struct.of("rq_stats_t");
        while (stats.get("received") < MESSAGES) {
            call("rq_wait", queue, GROUP, GROUP.size(), 5000);
            call("rq_stats", queue, stats);
        }
    }

    private static void show(Handle queue, Memory idx) throws Failure {
        Struct[] values = Struct.array("rq_value_t", 5);
        byte[] bytes = new byte[1024];
        long n = call("rq_extract", queue, GROUP, GROUP.size(), idx, idx.size(),
                values, values.length, bytes, bytes.length, null);
        for (int i = 0; i < n; i++) {
            int offset = (int) values[i].get("offset");
            int length = (int) values[i].get("len");
            System.out.println(new String(bytes, offset, length, StandardCharsets.UTF_8));
        }
    }

    public static void main(String[] arguments) throws Exception {
        Struct socket = Struct.of("peer_config_t");
        call("ph_addr_parse", "127.0.0.1", 9, 0, socket.struct("addr"));
        Struct address = Struct.of("ph_addr_t");
        Struct config = Struct.of("udph_config_t").set("recv_reactors", 1);
        Struct group =
                Struct.of("ph_bytes_t").set("data", GROUP).set("len", GROUP.size());
        // A sender is known by the first 6 bytes of its messages.
        Struct byName = Struct.of("rq_feed_config_t")
                .set("key", constant("RQ_BY_RANGE")).set("length", 6);

        Handle bound = make("peer", socket);
        call("peer_open", bound);
        call("peer_addr", bound, address);
        long fd = call("peer_socket", bound);
        try (var queue = make("rq", group, 1, 5, constant("RQ_RW"), null);
                var handler = make("udph", fd, config)) {
            bound.close();
            call("rq_feed_udph", queue, GROUP, GROUP.size(), byName, handler);
            say(handler, address);
            await(queue);
            show(queue, bytes("node-1"));
        }
    }
}
