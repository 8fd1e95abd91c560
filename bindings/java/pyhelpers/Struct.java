package pyhelpers;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/**
 * A structure of the header in native memory, all 0 but for its `size`; freed when it is collected,
 * with the memory that it points to.
 */
public final class Struct {
    private final String type;
    final Pointer memory;
    private final Map<String, Pointer> kept = new HashMap<>();

    private Struct(String type, Pointer memory) {
        this.type = type;
        this.memory = memory;
    }

    /** `type` is the header's name, as "ph_addr_t". */
    public static Struct of(String type) {
        return array(type, 1)[0];
    }

    /** `n` of them side by side, which a function takes as its array. */
    public static Struct[] array(String type, int n) {
        Header.Layout layout = Pyhelpers.HEADER.structs.get(type);
        Memory memory = new Memory(layout.size() * n);
        memory.clear();
        Struct[] made = new Struct[n];
        for (int i = 0; i < n; i++) {
            made[i] = new Struct(type, memory.share(i * layout.size(), layout.size()));
            if (layout.fields().containsKey("size")) made[i].set("size", layout.size());
        }
        return made;
    }

    /** Sets a number; what does not fit the field is cut off. */
    public Struct set(String name, long value) {
        Header.Field field = field(name);
        switch ((int) Pyhelpers.HEADER.sizeOf(field.type())) {
            case 1 -> memory.setByte(field.offset(), (byte) value);
            case 2 -> memory.setShort(field.offset(), (short) value);
            case 4 -> memory.setInt(field.offset(), (int) value);
            default -> memory.setLong(field.offset(), value);
        }
        return this;
    }

    /** Sets a pointer. */
    public Struct set(String name, Pointer value) {
        memory.setPointer(field(name).offset(), value);
        kept.put(name, value);
        return this;
    }

    /** Copies a structure into the one inside this. */
    public Struct set(String name, Struct value) {
        int size = (int) Pyhelpers.HEADER.sizeOf(value.type);
        memory.write(field(name).offset(), value.memory.getByteArray(0, size), 0, size);
        return this;
    }

    /** Reads a number. */
    public long get(String name) {
        Header.Field field = field(name);
        return switch (field.type()) {
            case "uint8_t" -> Byte.toUnsignedLong(memory.getByte(field.offset()));
            case "uint16_t" -> Short.toUnsignedLong(memory.getShort(field.offset()));
            case "uint32_t" -> Integer.toUnsignedLong(memory.getInt(field.offset()));
            case "int32_t" -> memory.getInt(field.offset());
            default -> memory.getLong(field.offset());
        };
    }

    /** The structure inside this one, good as long as this is; not a copy. */
    public Struct struct(String name) {
        Header.Field field = field(name);
        return new Struct(field.type(), memory.share(field.offset()));
    }

    /** A copy of the `len` bytes that `data` points to. */
    public byte[] data() {
        return memory.getPointer(field("data").offset()).getByteArray(0, (int) get("len"));
    }

    private Header.Field field(String name) {
        Header.Field field = Pyhelpers.HEADER.structs.get(type).fields().get(name);
        return Objects.requireNonNull(field, () -> type + " has no " + name);
    }
}
