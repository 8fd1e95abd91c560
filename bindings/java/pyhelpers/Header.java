package pyhelpers;

import com.sun.jna.Native;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What pyhelpers.h declares: its constants, how its structures lie in memory, its prototypes. */
final class Header {
    record Field(String type, long offset) {}

    record Layout(Map<String, Field> fields, long size, long alignment) {}

    record Prototype(String result, List<String> arguments) {}

    final Map<String, Integer> constants = new HashMap<>();
    final Map<String, Layout> structs = new HashMap<>();
    final Map<String, Prototype> functions = new HashMap<>();

    Header() throws IOException {
        String text = Files.readString(path()).replaceAll("(?s)/\\*.*?\\*/", "");
        found(text, "(?m)^#define ([A-Z]\\w+) (-?\\d{1,9})$")
                .forEach(one -> constants.put(one.group(1), Integer.valueOf(one.group(2))));
        found(text, "(?ms)^typedef struct \\{(.*?)\\} (\\w+);")
                .forEach(one -> structs.put(one.group(2), layout(one.group(1))));
        found(text, "(?m)^((?:const )?\\w+ \\*?)(\\w+)\\(([^)]*)\\);")
                .forEach(one -> functions.put(one.group(2), prototype(one.group(1), one.group(3))));
    }

    private static Path path() throws IOException {
        String named = System.getenv("PYHELPERS_HEADER");
        List<String> places = named != null ? List.of(named) : List.of("../../include/pyhelpers.h",
                "/usr/local/include/pyhelpers.h", "/usr/include/pyhelpers.h");
        String missing = "pyhelpers.h is not at " + String.join(", nor at ", places);
        return places.stream().map(Path::of).filter(Files::exists).findFirst()
                .orElseThrow(() -> new IOException(missing));
    }

    /** Bytes of a type: a pointer, a number such as uint16_t, or a structure met before. */
    long sizeOf(String type) {
        if (type.endsWith("*") || type.equals("size_t")) return Native.POINTER_SIZE;
        return structs.containsKey(type)
                ? structs.get(type).size
                : Long.parseLong(type.replaceAll("\\D", "")) / 8;
    }

    private Layout layout(String text) {
        Map<String, Field> fields = new HashMap<>();
        long end = 0;
        long alignment = 1;
        for (MatchResult one : found(text, "\\S[^;]*?(\\w+)(?:\\[(\\d+)\\])?;").toList()) {
            String type = typeOf(one.group());
            long own = structs.containsKey(type) ? structs.get(type).alignment : sizeOf(type);
            long offset = roundedUp(end, own);
            fields.put(one.group(1), new Field(type, offset));
            long length = one.group(2) == null ? 1 : Long.parseLong(one.group(2));
            end = offset + sizeOf(type) * length;
            alignment = Math.max(alignment, own);
        }
        return new Layout(fields, roundedUp(end, alignment), alignment);
    }

    private static Prototype prototype(String result, String arguments) {
        List<String> types = new ArrayList<>();
        for (String argument : arguments.split(",")) {
            if (!argument.equals("void")) types.add(typeOf(argument));
        }
        return new Prototype(result.trim(), types);
    }

    /** "T" or "T *" of a declaration; a callback is a pointer too. */
    private static String typeOf(String declaration) {
        String type = declaration.trim().replaceFirst("^const ", "").split(" ")[0];
        return declaration.contains("*") || type.endsWith("_fn") ? type + " *" : type;
    }

    private static long roundedUp(long bytes, long alignment) {
        return (bytes + alignment - 1) / alignment * alignment;
    }

    private static Stream<MatchResult> found(String text, String pattern) {
        return Pattern.compile(pattern).matcher(text).results();
    }
}
