--- libpyhelpers for LuaJIT, with the prototypes of its own header.
--
--     local ph = require "pyhelpers"
--     ph.udph_fd(handler)              a function of pyhelpers.h; what it returns below 0 is raised
--     ph.check(code)                   the code; raised when it is below 0
--     ph.UDPH_WAIT                     a constant
--     ph.make("udph", fd, config)      a new handle: udph_new without its `out`
--     ph.sized("udph_config_t", {...}) a structure with its `size` set
--
-- The library is $PYHELPERS_LIBRARY or the installed libpyhelpers.so.0; the header is
-- $PYHELPERS_HEADER, or ../../include/pyhelpers.h from here, or the installed one.
--
-- A handle is closed by its <prefix>_close alone: that it is collected does nothing. Afterwards it
-- is stale, and every call with it gives EBADF.

local ffi = require "ffi"

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"

local function header()
    local places = {
        here .. "../../include/pyhelpers.h",
        "/usr/local/include/pyhelpers.h",
        "/usr/include/pyhelpers.h",
    }
    if os.getenv("PYHELPERS_HEADER") then places = {os.getenv("PYHELPERS_HEADER")} end
    for _, path in ipairs(places) do
        local file = io.open(path)
        if file then
            local text = file:read("*a")
            file:close()
            return text
        end
    end
    error("pyhelpers.h is not at " .. table.concat(places, ", nor at "))
end

local text = header()
local library = ffi.load(os.getenv("PYHELPERS_LIBRARY") or "libpyhelpers.so.0")
local ph = {}

for name, value in text:gmatch("#define (%u[%u%d_]+) (%-?%d+)") do ph[name] = tonumber(value) end
-- What is left of it without the preprocessor's lines, C++'s part among them, LuaJIT reads itself.
ffi.cdef((text:gsub("#ifdef __cplusplus.-#endif", ""):gsub("#[^\n]*", "")))

local failure = {__tostring = function(self) return self.message end}

--- Gives a number of 0 and above back, as Lua's where that has room for it; others it raises as
-- {code = number, message = "..."}.
function ph.check(code, who)
    if code >= 0 then return code < 2 ^ 53 and tonumber(code) or code end
    code = tonumber(code)
    local message = (who and who .. ": " or "") .. ffi.string(library.ph_strerror(code))
    error(setmetatable({code = code, message = message}, failure))
end

--- A function is looked up, and its check put around it, when it is first asked for.
local function checked(self, name)
    local native = library[name]
    local function call(...)
        local result = native(...)
        return ffi.istype("const char *", result) and ffi.string(result) or ph.check(result, name)
    end
    self[name] = call
    return call
end

setmetatable(ph, {__index = checked})

function ph.make(prefix, ...)
    local out = ffi.new(prefix .. "_t *[1]")
    local arguments, n = {...}, select("#", ...) + 1
    arguments[n] = out
    ph[prefix .. "_new"](unpack(arguments, 1, n))
    return out[0]
end

function ph.sized(name, fields)
    local structure = ffi.new(name, fields or {})
    structure.size = ffi.sizeof(name)
    return structure
end

assert(ph.ph_abi_version() == ph.PH_ABI_VERSION, "pyhelpers.h is of another ABI version")

return ph
