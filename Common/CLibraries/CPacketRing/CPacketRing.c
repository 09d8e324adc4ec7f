#define _GNU_SOURCE
#include "CPacketRing.h"

#include <net/if.h> // before Linux's own, which then leaves out what this has defined

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct weir_ring {
    int fd;
    uint32_t interface, blocks, block_bytes;
    uint8_t *memory;
    uint32_t block;   // the one being read, or to be read next
    uint32_t left;    // packets of it still to be handed out
    const struct tpacket3_hdr *packet;
    int is_open;      // `block` belongs to us
};

static struct tpacket_block_desc *block_of(const weir_ring *ring, uint32_t index) {
    return (struct tpacket_block_desc *)(ring->memory + (size_t)index * ring->block_bytes);
}

static int is_ethernet(int fd, const char *interface) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    if (ioctl(fd, SIOCGIFHWADDR, &request)) return 0;
    return request.ifr_hwaddr.sa_family == ARPHRD_ETHER || request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
}

static int set_up(weir_ring *ring, const char *name, int promiscuous) {
    int version = TPACKET_V3;
    struct tpacket_req3 request = {
        .tp_block_size = ring->block_bytes, .tp_block_nr = ring->blocks, .tp_frame_size = 2048,
        .tp_frame_nr = ring->block_bytes / 2048 * ring->blocks, .tp_retire_blk_tov = 50,
    };
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ring->interface,
    };
    struct packet_mreq member = { .mr_ifindex = (int)ring->interface, .mr_type = PACKET_MR_PROMISC };
    if (!is_ethernet(ring->fd, name)) return -EPROTONOSUPPORT;
    if (setsockopt(ring->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version)) return -errno;
    if (setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request)) return -errno;
    void *memory = mmap(NULL, (size_t)ring->blocks * ring->block_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
    if (memory == MAP_FAILED) return -errno;
    ring->memory = memory;
    if (bind(ring->fd, (struct sockaddr *)&address, sizeof address)) return -errno;
    if (promiscuous && setsockopt(ring->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &member, sizeof member)) return -errno;
    return 0;
}

weir_ring *weir_ring_open(const char *interface, uint32_t blocks, uint32_t block_bytes, int promiscuous, int *error) {
    weir_ring *ring = calloc(1, sizeof *ring);
    if (!ring) {
        *error = -ENOMEM;
        return NULL;
    }
    ring->blocks = blocks;
    ring->block_bytes = block_bytes;
    ring->fd = -1;
    ring->interface = if_nametoindex(interface);
    if (!ring->interface) {
        *error = -ENODEV;
    } else {
        // Protocol 0 until it is bound: no packet of another interface gets in before.
        ring->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        *error = ring->fd < 0 ? -errno : set_up(ring, interface, promiscuous);
    }
    if (*error) {
        weir_ring_close(ring);
        return NULL;
    }
    return ring;
}

void weir_ring_close(weir_ring *ring) {
    if (ring->memory) munmap(ring->memory, (size_t)ring->blocks * ring->block_bytes);
    if (ring->fd >= 0) close(ring->fd);
    free(ring);
}
int weir_ring_descriptor(const weir_ring *ring) { return ring->fd; }
uint32_t weir_ring_interface(const weir_ring *ring) { return ring->interface; }

static void give_back(weir_ring *ring) {
    __atomic_store_n(&block_of(ring, ring->block)->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ring->block = (ring->block + 1) % ring->blocks;
    ring->is_open = 0;
}

int weir_ring_next(weir_ring *ring, weir_packet *out) {
    if (ring->is_open && !ring->left) give_back(ring);
    if (!ring->is_open) {
        struct tpacket_block_desc *block = block_of(ring, ring->block);
        if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) return 0;
        ring->is_open = 1;
        ring->left = block->hdr.bh1.num_pkts;
        ring->packet = (const struct tpacket3_hdr *)((const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt);
        if (!ring->left) {  // a block that was retired empty
            give_back(ring);
            return 0;
        }
    }
    const struct tpacket3_hdr *packet = ring->packet;
    const struct sockaddr_ll *from =
        (const struct sockaddr_ll *)((const uint8_t *)packet + TPACKET_ALIGN(sizeof(struct tpacket3_hdr)));
    out->bytes = (const uint8_t *)packet + packet->tp_mac;
    out->captured = packet->tp_snaplen;
    out->length = packet->tp_len;
    out->milliseconds = (int64_t)packet->tp_sec * 1000 + packet->tp_nsec / 1000000;
    out->has_vlan = (packet->tp_status & TP_STATUS_VLAN_VALID) != 0;
    out->vlan = out->has_vlan ? packet->hv1.tp_vlan_tci & 0x0FFF : 0;
    out->is_outgoing = from->sll_pkttype == PACKET_OUTGOING;
    ring->left--;
    ring->packet = (const struct tpacket3_hdr *)((const uint8_t *)packet + packet->tp_next_offset);
    return 1;
}

int64_t weir_ring_drops(weir_ring *ring) {
    struct tpacket_stats_v3 stats;
    socklen_t length = sizeof stats;
    if (getsockopt(ring->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length)) return -errno;
    return stats.tp_drops;
}
