package pyhelpers;

import com.sun.jna.Function;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;

/**
 * libpyhelpers for Java, by JNA, with the prototypes of its own header, which is read at the start.
 *
 * <p>The library is $PYHELPERS_LIBRARY or the installed libpyhelpers.so.0; the header is
 * $PYHELPERS_HEADER, or ../../include/pyhelpers.h from the working directory, or the installed one.
 *
 * <p>Any method may be called from any thread. A call that waits holds up no other thread.
 */
public final class Pyhelpers {
    static final Header HEADER;
    private static final NativeLibrary LIBRARY;

    static {
        String named = System.getenv("PYHELPERS_LIBRARY");
        LIBRARY = NativeLibrary.getInstance(named != null ? named : "libpyhelpers.so.0");
        try {
            HEADER = new Header();
            if (call("ph_abi_version") != constant("PH_ABI_VERSION")) {
                throw new IOException("pyhelpers.h is of another ABI version");
            }
        } catch (IOException error) {
            throw new ExceptionInInitializerError(error);
        }
    }

    private Pyhelpers() {}

    /** What a function returned below 0: a negated errno, or PH_EPANIC and the like. */
    public static final class Failure extends IOException {
        private static final long serialVersionUID = 1;

        public final int code;

        Failure(String function, int code) {
            super(function + ": " + text("ph_strerror", code));
            this.code = code;
        }
    }

    /**
     * What a function such as udph_new made. It is closed by {@link #close} alone: that it is
     * collected does nothing. Afterwards it is stale, and every call with it fails with EBADF.
     */
    public record Handle(String prefix, Pointer token) implements AutoCloseable {
        @Override
        public void close() throws Failure {
            boolean isHandler = prefix.equals("udph");
            Object[] arguments = isHandler ? new Object[] {this, 1000, null} : new Object[] {this};
            call(prefix + "_close", arguments);
        }
    }

    /** Calls a function of the header. What it returns below 0 is thrown. */
    public static long call(String name, Object... arguments) throws Failure {
        Header.Prototype prototype = Objects.requireNonNull(HEADER.functions.get(name), name);
        if (arguments.length != prototype.arguments().size()) {
            throw new IllegalArgumentException(name + " takes " + prototype.arguments());
        }
        Object[] given = new Object[arguments.length];
        Arrays.setAll(given, i -> converted(prototype.arguments().get(i), arguments[i]));
        Function function = LIBRARY.getFunction(name);
        boolean isLong = prototype.result().equals("int64_t");
        long result = isLong ? function.invokeLong(given) : function.invokeInt(given);
        // Structures that nothing else refers to any more would be freed during the call.
        Reference.reachabilityFence(arguments);
        return check(name, result);
    }

    /** Calls a function of the header that returns text. */
    public static String text(String name, Object... arguments) {
        return LIBRARY.getFunction(name).invokeString(arguments, false);
    }

    /** Gives a number of 0 and above back; throws others. */
    public static long check(String what, long code) throws Failure {
        if (code < 0) throw new Failure(what, (int) code);
        return code;
    }

    /** A new handle: &lt;prefix&gt;_new without its `out`. */
    public static Handle make(String prefix, Object... arguments) throws Failure {
        Memory out = new Memory(Native.POINTER_SIZE);
        Object[] all = Arrays.copyOf(arguments, arguments.length + 1, Object[].class);
        all[arguments.length] = out;
        call(prefix + "_new", all);
        return new Handle(prefix, out.getPointer(0));
    }

    /** A constant of the header that fits an int. */
    public static int constant(String name) {
        return Objects.requireNonNull(HEADER.constants.get(name), name);
    }

    /** Text as UTF-8, in native memory. */
    public static Memory bytes(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        Memory memory = new Memory(bytes.length);
        memory.write(0, bytes, 0, bytes.length);
        return memory;
    }

    /** What JNA passes for an argument: it goes by the Java type, where the prototype decides. */
    private static Object converted(String type, Object argument) {
        if (argument instanceof Handle handle) return handle.token;
        if (argument instanceof Struct struct) return struct.memory;
        if (argument instanceof Struct[] structs) return structs[0].memory;
        if (type.endsWith("*")) return argument;
        long number = ((Number) argument).longValue();
        if (HEADER.sizeOf(type) == 8) return number;
        if (number != (int) number && number >>> 32 != 0) {
            throw new IllegalArgumentException(type + ": " + number);
        }
        return (int) number;
    }
}
