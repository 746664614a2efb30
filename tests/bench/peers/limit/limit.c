/*
 * What a server cannot be faster than: packets of 1200 bytes that are encrypted by AES-128-GCM and sent by UDP, and nothing
 * else. No handshake, no RTCP, no retransmission.
 *
 *   limit packet WAY COUNT   sends so many packets, nine to a picture, and says what one took
 *   limit fan WAY VIEWERS    sends 30 pictures a second to so many sockets, which a thread reads, until standard input
 *                            ends; for each line there it says the sender's CPU time and what each has received
 *
 * WAY is sendto (one call for each packet), sendmmsg (one for each picture of each viewer), or gso (the same, and the kernel
 * cuts the picture into packets: UDP_SEGMENT).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PACKETS = 9, HEADER = 12, PAYLOAD = 1172, TAG = 16, PACKET = HEADER + PAYLOAD + TAG, VIEWERS_MAX = 1000, FPS = 30 };

typedef enum { SENDTO, SENDMMSG, GSO } way;

typedef struct {
  EVP_CIPHER_CTX *cipher;
  uint64_t sequence;
  struct sockaddr_in to;
} viewer;

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double seconds_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int open_socket(struct sockaddr_in *address) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof *address) < 0) fail("a socket cannot be opened");
  socklen_t size = sizeof *address;
  getsockname(fd, (struct sockaddr *)address, &size);
  return fd;
}

static void open_viewer(viewer *opened, struct sockaddr_in to) {
  uint8_t key[16];
  for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)rand();
  *opened = (viewer){.cipher = EVP_CIPHER_CTX_new(), .to = to};
  if (EVP_EncryptInit_ex(opened->cipher, EVP_aes_128_gcm(), NULL, key, NULL) != 1) fail("no AES-128-GCM");
}

/* RFC 7714: the header is authenticated, the payload is encrypted, and the tag stands behind it. */
static void encrypt(viewer *to, const uint8_t *payload, bool is_last, uint8_t *packet) {
  uint64_t sequence = to->sequence++;
  uint8_t header[HEADER] = {0x80, (uint8_t)(96 | (is_last ? 0x80 : 0)), (uint8_t)(sequence >> 8), (uint8_t)sequence};
  uint8_t iv[12] = {0};
  for (int i = 0; i < 6; i++) iv[11 - i] = (uint8_t)(sequence >> (8 * i));
  int size;
  memcpy(packet, header, HEADER);
  EVP_EncryptInit_ex(to->cipher, NULL, NULL, NULL, iv);
  EVP_EncryptUpdate(to->cipher, NULL, &size, packet, HEADER);
  EVP_EncryptUpdate(to->cipher, packet + HEADER, &size, payload, PAYLOAD);
  EVP_EncryptFinal_ex(to->cipher, packet + HEADER + PAYLOAD, &size);
  EVP_CIPHER_CTX_ctrl(to->cipher, EVP_CTRL_AEAD_GET_TAG, TAG, packet + HEADER + PAYLOAD);
}

static void send_by_sendto(int fd, viewer *to, uint8_t packets[PACKETS][PACKET]) {
  for (int i = 0; i < PACKETS; i++) {
    if (sendto(fd, packets[i], PACKET, 0, (struct sockaddr *)&to->to, sizeof to->to) < 0) fail("sendto");
  }
}

static void send_by_sendmmsg(int fd, viewer *to, uint8_t packets[PACKETS][PACKET]) {
  struct iovec parts[PACKETS];
  struct mmsghdr messages[PACKETS] = {0};
  for (int i = 0; i < PACKETS; i++) {
    parts[i] = (struct iovec){packets[i], PACKET};
    messages[i].msg_hdr =
        (struct msghdr){.msg_name = &to->to, .msg_namelen = sizeof to->to, .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  if (sendmmsg(fd, messages, PACKETS, 0) != PACKETS) fail("sendmmsg");
}

static void send_by_gso(int fd, viewer *to, uint8_t packets[PACKETS][PACKET]) {
  union {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr align;
  } control = {0};
  struct iovec all = {packets, (size_t)PACKETS * PACKET};
  struct msghdr message = {.msg_name = &to->to,
                           .msg_namelen = sizeof to->to,
                           .msg_iov = &all,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  struct cmsghdr *segment = CMSG_FIRSTHDR(&message);
  *segment = (struct cmsghdr){
      .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof(uint16_t))};
  uint16_t size = PACKET;
  memcpy(CMSG_DATA(segment), &size, sizeof size);
  if (sendmsg(fd, &message, 0) < 0) fail("sendmsg with UDP_SEGMENT");
}

static void send_picture(int fd, viewer *to, way by) {
  static uint8_t payload[PAYLOAD];
  uint8_t packets[PACKETS][PACKET];
  for (int i = 0; i < PACKETS; i++) encrypt(to, payload, i == PACKETS - 1, packets[i]);
  if (by == SENDTO) send_by_sendto(fd, to, packets);
  if (by == SENDMMSG) send_by_sendmmsg(fd, to, packets);
  if (by == GSO) send_by_gso(fd, to, packets);
}

static void send_alone(way by, long count) {
  struct sockaddr_in sink, own;
  open_socket(&sink);
  int fd = open_socket(&own);
  viewer to;
  open_viewer(&to, sink);
  long pictures = count / PACKETS;
  double started = seconds_of(CLOCK_MONOTONIC);
  for (long i = 0; i < pictures; i++) send_picture(fd, &to, by);
  double spent = seconds_of(CLOCK_MONOTONIC) - started;
  printf("{\"packet_us\": %f}\n", 1e6 * spent / (double)(pictures * PACKETS));
}

/* Viewers of a fan: their sockets, and how many packets each has received. */
static int sockets[VIEWERS_MAX];
static atomic_long received[VIEWERS_MAX];
static int viewer_count;

/* Counts what the sockets receive. A thread, whose CPU time is its own. */
static void *receive(void *unused) {
  static struct pollfd polled[VIEWERS_MAX];
  uint8_t packet[2048];
  (void)unused;
  for (int i = 0; i < viewer_count; i++) polled[i] = (struct pollfd){.fd = sockets[i], .events = POLLIN};
  for (;;) {
    if (poll(polled, (nfds_t)viewer_count, -1) < 0) fail("poll");
    for (int i = 0; i < viewer_count; i++) {
      if (!(polled[i].revents & POLLIN)) continue;
      while (recv(sockets[i], packet, sizeof packet, MSG_DONTWAIT) > 0) atomic_fetch_add(&received[i], 1);
    }
  }
}

static void answer(void) {
  printf("{\"cpu_s\": %f, \"received\": [", seconds_of(CLOCK_THREAD_CPUTIME_ID));
  for (int i = 0; i < viewer_count; i++) {
    long packets = atomic_load(&received[i]);
    printf("%s[%ld, %ld]", i == 0 ? "" : ", ", packets, packets / PACKETS);
  }
  printf("]}\n");
  fflush(stdout);
}

/* Sends at an even pace, and answers lines between two pictures. */
static void fan(way by, int count) {
  static viewer viewers[VIEWERS_MAX];
  struct sockaddr_in own;
  viewer_count = count;
  for (int i = 0; i < count; i++) {
    struct sockaddr_in to;
    sockets[i] = open_socket(&to);
    open_viewer(&viewers[i], to);
  }
  pthread_t receiver;
  if (pthread_create(&receiver, NULL, receive, NULL) != 0) fail("a thread cannot be started");
  int fd = open_socket(&own);
  printf("{\"watching\": %d}\n", count);
  fflush(stdout);
  double next = seconds_of(CLOCK_MONOTONIC);
  for (;;) {
    for (int i = 0; i < count; i++) send_picture(fd, &viewers[i], by);
    next += 1.0 / FPS;
    for (double left; (left = next - seconds_of(CLOCK_MONOTONIC)) > 0;) {
      struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
      if (poll(&input, 1, (int)(1000 * left) + 1) <= 0) continue;
      char line[256];
      if (fgets(line, sizeof line, stdin) == NULL) return;
      answer();
    }
  }
}

int main(int count, char **arguments) {
  static const char *const names[] = {"sendto", "sendmmsg", "gso"};
  if (count == 4) {
    long number = strtol(arguments[3], NULL, 10);
    for (way by = SENDTO; by <= GSO; by++) {
      if (strcmp(arguments[2], names[by]) != 0) continue;
      if (strcmp(arguments[1], "packet") == 0 && number >= PACKETS) return send_alone(by, number), 0;
      if (strcmp(arguments[1], "fan") == 0 && number > 0 && number <= VIEWERS_MAX) return fan(by, (int)number), 0;
    }
  }
  fprintf(stderr, "Usage: limit packet|fan sendto|sendmmsg|gso COUNT\n");
  return 2;
}
