#include "CProcessor.h"

#ifdef WEIR_PROCESSOR_V3
#include <unistd.h>

__attribute__((constructor(101))) static void weir_check_processor(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
        __builtin_cpu_supports("fma"))
        return;
    static const char message[] =
        "This build is for processors with AVX2, BMI2 and FMA (x86-64-v3, from 2013 on), which this one lacks.\n"
        "Build it with WEIR_PROCESSOR=x86-64 in the environment for older ones.\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
    _exit(written < 0 ? 70 : 69);
}
#endif
