# libpyhelpers for Ruby, with the prototypes of its own header.
#
#     require_relative "pyhelpers"
#     Pyhelpers.udph_fd(handler)      a function of pyhelpers.h; what it returns below 0 is raised
#     Pyhelpers.check(code)           the code; raised, as Errno::..., when it is below 0
#     Pyhelpers::UDPH_WAIT            a constant
#     Pyhelpers::PhAddr               a structure, ph_addr_t
#     Pyhelpers.open(:udph, fd, config) { |handler| ... }
#                                     udph_new without its `out`, and udph_close at the end
#
# The library is $PYHELPERS_LIBRARY or the installed libpyhelpers.so.0; the header is
# $PYHELPERS_HEADER, or ../../include/pyhelpers.h from here, or the installed one.
#
# Fiddle lets other threads run during a call. A handle is closed by `open`, or by its
# <prefix>_close: that it is collected does nothing. Afterwards it is stale, and every call with it
# gives EBADF.

require "fiddle/import"

module Pyhelpers
  extend Fiddle::Importer

  dlload ENV.fetch("PYHELPERS_LIBRARY", "libpyhelpers.so.0")

  # What a <prefix>_close takes beside the handle.
  CLOSE_ARGUMENTS = { udph: [1000, nil] }.freeze

  def self.header
    installed = %w[/usr/local/include/pyhelpers.h /usr/include/pyhelpers.h]
    places = [File.expand_path("../../include/pyhelpers.h", __dir__), *installed]
    places = [ENV["PYHELPERS_HEADER"]] if ENV["PYHELPERS_HEADER"]
    found = places.find { |path| File.exist?(path) }
    found || raise(LoadError, "pyhelpers.h is not at #{places.join(', nor at ')}")
    File.read(found, encoding: "UTF-8")
  end

  # ph_addr_t is PhAddr.
  def self.name_of(type)
    type.delete_suffix("_t").split("_").map(&:capitalize).join
  end

  # A field as Fiddle wants it: a structure in a structure by its class.
  def self.field(declaration)
    type, name = declaration.split
    is_structure = !declaration.include?("*") && const_defined?(name_of(type), false)
    is_structure ? { name => const_get(name_of(type)) } : declaration
  end

  def self.declare(text)
    text.scan(/^#define ([A-Z]\w+) (-?\d+)/) { |name, value| const_set(name, value.to_i) }
    text.scan(/^typedef void \(\*(\w+)\)/) { |(name)| typealias(name, "void *") }
    text.scan(/^typedef struct \{(.*?)\} (\w+);/m) do |fields, name|
      fields = fields.split(";").map(&:strip).reject(&:empty?)
      const_set(name_of(name), struct(fields.map { |line| field(line) }))
    end
    text.scan(/^(?:const )?\w+ \*?\w+\([^)]*\);/) { |prototype| checked(extern(prototype)) }
  end

  # Puts the check around a function of the library.
  def self.checked(function)
    define_singleton_method(function.name) do |*arguments|
      result = function.call(*arguments)
      result.is_a?(Integer) ? check(result, function.name) : result.to_s
    end
  end

  # Gives a number of 0 and above back; others it raises as the Errno::... of that number.
  def self.check(code, who = nil)
    return code if code >= 0

    # Ruby has words of its own for what errno(3) knows.
    words = [who, (ph_strerror(code) if code <= PH_EPANIC)].compact.join(": ")
    raise SystemCallError.new(words, -code)
  end

  def self.open(prefix, *arguments)
    out = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
    public_send("#{prefix}_new", *arguments, out)
    handle = out.ptr
    begin
      yield handle
    ensure
      public_send("#{prefix}_close", handle, *CLOSE_ARGUMENTS[prefix])
    end
  end

  # A structure, with its `size` set where it has one.
  def self.make(structure, **fields)
    made = structure.malloc(Fiddle::RUBY_FREE)
    made.to_ptr[0, structure.size] = "\0" * structure.size
    made.size = structure.size if structure.members.include?("size")
    fields.each { |name, value| made[name.to_s] = value }
    made
  end

  # Where `n` structures lie side by side, to be kept as long as they are used, and the structures.
  def self.array(structure, n)
    memory = Fiddle::Pointer.malloc(structure.size * n, Fiddle::RUBY_FREE)
    memory[0, structure.size * n] = "\0" * (structure.size * n)
    [memory, Array.new(n) { |i| structure.new(memory + i * structure.size) }]
  end

  declare(header.gsub(%r{/\*.*?\*/}m, ""))
  raise LoadError, "pyhelpers.h is of another ABI version" if ph_abi_version != PH_ABI_VERSION
end
