// The header with nothing before it, in a translation unit of its own.
#include <pyhelpers.hpp>

const std::error_category &category_elsewhere();
std::string message_elsewhere(int code);

const std::error_category &category_elsewhere() {
    return pyhelpers::category();
}
std::string message_elsewhere(int code) {
    return std::error_code(static_cast<pyhelpers::errc>(code)).message();
}
