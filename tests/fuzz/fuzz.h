/*
 * fuzz - what a fuzz target and the replay agree on.
 * Process: tests.   Owns: nothing.   Secrets: none.   Limits: none.
 * Failure: a property that does not hold aborts by must(), which libFuzzer and the replay report.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* libFuzzer's name */

#endif
