// One translation unit, as most of the time to compile these is that of the headers they share.
#include "test_families.cpp"
#include "test_handles.cpp"
#include "test_loop.cpp"
#include "test_values.cpp"
