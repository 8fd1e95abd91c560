import static pyhelpers.Pyhelpers.*;

import com.sun.jna.Memory;
import java.nio.charset.StandardCharsets;
import pyhelpers.Struct;

/** A loop with a TCP echo server, a client that says something at each tick, and the timer. */
final class EventLoop {
    private static final int EVENTS = 64;
    private static final int ROOM = 65536;
    private static final int MESSAGES = 3;

    private static final int TIMER = constant("EVLOOP_TIMER");
    private static final int DATA = constant("TCP_DATA");
    private static final int CLOSED = constant("TCP_CLOSED");

    private final Handle loop;
    private final long client;
    private int ticks;
    private String answer = "";

    private EventLoop(Handle loop) throws Failure {
        this.loop = loop;
        long server = call("tcp_listen", loop, "127.0.0.1", "0", null, null);
        Struct address = Struct.of("ph_addr_t");
        call("tcp_local", loop, server, address);
        String port = String.valueOf(address.get("port"));
        client = call("tcp_connect", loop, "127.0.0.1", port, null, null);
        Struct timer = Struct.of("evloop_timer_t").set("period_ns", 10_000_000);
        call("evloop_timer_add", loop, timer, 1);
    }

    private void handle(Struct event) throws Failure {
        long kind = event.get("kind");
        long id = event.get("id");
        if (kind == TIMER && ticks < MESSAGES) {
            send(client, ("tick " + ++ticks + "\n").getBytes(StandardCharsets.UTF_8));
        } else if (kind == DATA && id == client) {
            answer += new String(event.data(), StandardCharsets.UTF_8);
        } else if (kind == DATA) {
            send(id, event.data());
        } else if (kind == CLOSED) {
            check("connection", -event.get("error"));
        }
    }

    private void send(long id, byte[] data) throws Failure {
        call("tcp_send", loop, id, data, data.length);
    }

    private void run() throws Failure {
        Struct[] events = Struct.array("evloop_event_t", EVENTS);
        Memory buffer = new Memory(ROOM);
        while (answer.lines().count() < MESSAGES) {
            long n = call("evloop_poll", loop, events, EVENTS, buffer, ROOM, 5000);
            for (int i = 0; i < n; i++) handle(events[i]);
        }
        System.out.print(answer);
    }

    public static void main(String[] arguments) throws Exception {
        try (var loop = make("evloop", (Object) null)) {
            new EventLoop(loop).run();
        }
    }
}
