/* Two Rust libraries in one program, each with a std of its own. Prints:
 * the other caught 1, ours ticked 0
 */
#include <pyhelpers.h>
#include <stdio.h>

int other_catches(void);

int main(void) {
    stopwatch_t watch = {0};
    printf("the other caught %d", other_catches());
    printf(", ours ticked %d\n", stopwatch_tic(&watch));
    return 0;
}
