/*
 * channel - what the supervisor says to one worker: one byte, and perhaps a descriptor.
 *
 * Each worker has one of its own, which outlives the program that the supervisor runs: so the next
 * program finds the workers of the one before.
 */
#ifndef PROCESS_CHANNEL_H
#define PROCESS_CHANNEL_H

enum channel_message {
    CHANNEL_DRAIN = 'd',     /* as SIGTERM when lb stops */
    CHANNEL_HAND_OVER = 'h', /* the same, but idle clients go through the descriptor to another */
    CHANNEL_HAND_OVER_ALL = 'H', /* those over TLS, too */
    CHANNEL_TAKE = 't',          /* idle clients of another come through the descriptor */
};

#endif
