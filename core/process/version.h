#ifndef PROCESS_VERSION_H
#define PROCESS_VERSION_H

#define VERSION "0.1.0"

#endif
