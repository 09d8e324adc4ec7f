/// What glibc's heap does with memory that is free.
#ifndef WEIR_CMEMORY_H
#define WEIR_CMEMORY_H

/// Memory up to `block_bytes` a piece comes from the heap, not from the kernel each time, and the heap keeps `kept_bytes`
/// that are free (mallopt(3)).
void weir_keep_memory(int block_bytes, int kept_bytes);

#endif
