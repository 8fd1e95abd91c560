import static pyhelpers.Pyhelpers.*;

import pyhelpers.Struct;

/** Wrong use is an error with a number, never a crash; what is left open does not delay the end. */
final class Misuse {
    private static void fails(String what, String function, Object... arguments) {
        try {
            call(function, arguments);
            System.out.println(what + ": nothing");
        } catch (Failure failure) {
            System.out.println(what + ": " + failure.code);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Struct address = Struct.of("ph_addr_t");
        Handle peer = make("peer", (Object) null);
        peer.close();
        Handle other = make("peer", (Object) null);
        fails("NULL for a handle", "peer_open", (Object) null);
        fails("a closed handle", "peer_addr", peer, address);
        fails("closed twice", "peer_close", peer);
        fails("a handle of another kind", "udph_fd", other);
        fails("NULL for an output", "peer_addr", other, null);

        call("peer_open", other);
        Struct config = Struct.of("udph_config_t").set("recv_reactors", 1);
        Handle handler = make("udph", call("peer_socket", other), config);
        long fd = call("udph_fd", handler);
        handler = null;
        config = null;
        System.gc();
        System.out.println("left open: " + (fd > 0 ? "a handler" : ""));
    }
}
