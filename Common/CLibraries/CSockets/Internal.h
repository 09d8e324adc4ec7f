#pragma once
#include <stdint.h>
#include <sys/socket.h>

/// The address as IPv6, an IPv4 one as ::ffff:a.b.c.d, and the port in host order.
void weir_note_address(const struct sockaddr_storage *from, uint8_t address[16], uint16_t *port);
/// Reads a numeric address: the length of what was written to `out`, 0 when it is none.
socklen_t weir_read_address(const char *address, uint16_t port, struct sockaddr_storage *out);
