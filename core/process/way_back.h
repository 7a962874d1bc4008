/*
 * way_back - a program that has taken the place of another one, and crashes before its workers are
 * ready, gives the place back.
 *
 * The program before has left a descriptor of its file. From way_back_open to way_back_close a
 * signal that would end this process (SIGSEGV, SIGABRT and such) runs that file instead, with the
 * same handover. It finds its children, which have served all the time, and goes on as after any
 * upgrade. A program that was given the place back has no way back itself.
 */
#ifndef PROCESS_WAY_BACK_H
#define PROCESS_WAY_BACK_H

#include "os/children.h"
#include "process/handover.h"

void way_back_open(const struct handover *); /* before anything that may fail */
/* These children are ours, the first so many: they end on the way. */
void way_back_note_children(const struct children *, unsigned count);
void way_back_take(void); /* now, if it is open: then it does not return, or ends the process */
void way_back_close(void);

#endif
