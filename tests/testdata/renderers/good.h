/*
 * The reference library as part of another one: its functions begin with good_, and those of the contract are still to be
 * defined, with object types of one's own.
 */
#ifndef GOOD_H
#define GOOD_H

#define pinhole_abi_version good_abi_version
#define pinhole_open good_open
#define pinhole_close good_close
#define pinhole_session_open good_session_open
#define pinhole_session_close good_session_close
#define pinhole_render good_render
#define pinhole_last_error good_last_error
#define pinhole_audio good_audio
#define pinhole_message good_message
#define pinhole_poll_message good_poll_message
#define pinhole_set_bitrate good_set_bitrate
#define pinhole_request_keyframe good_request_keyframe
#include "reference.c"
#undef pinhole_abi_version
#undef pinhole_open
#undef pinhole_close
#undef pinhole_session_open
#undef pinhole_session_close
#undef pinhole_render
#undef pinhole_last_error
#undef pinhole_audio
#undef pinhole_message
#undef pinhole_poll_message
#undef pinhole_set_bitrate
#undef pinhole_request_keyframe

#endif
