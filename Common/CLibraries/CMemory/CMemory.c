#include "CMemory.h"

#include <malloc.h>

void weir_keep_memory(int block_bytes, int kept_bytes) {
    mallopt(M_MMAP_THRESHOLD, block_bytes);
    mallopt(M_TRIM_THRESHOLD, kept_bytes);
}
