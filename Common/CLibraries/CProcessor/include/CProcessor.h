/// Before anything else of a program runs: says that the processor is too old for the build, and ends with status 69
/// (EX_UNAVAILABLE), where the first missing instruction would end it without a word. There is nothing to call.
#ifndef WEIR_CPROCESSOR_H
#define WEIR_CPROCESSOR_H
#endif
