/*
 * certificates - the files that tls.certificates names, read once and checked.
 *
 * Who tries a script reads them. What was read are bytes without pointers, which travel as the
 * script's text does: other processes find the certificates in them and open no file. Each file is
 * found where its path leads then, through links, too.
 */
#ifndef CONFIG_CERTIFICATES_H
#define CONFIG_CERTIFICATES_H

#include "config/config.h"
#include "net/tls_certificate.h"

struct fields_wrong; /* lua/fields.h */

enum { CERTIFICATES_BYTES_MAX = 128 << 20 };

struct certificate { /* one that was read; borrows from the bytes */
    struct tls_certificate pem;
    struct slice names;     /* each with a NUL behind it */
    const char *cert, *key; /* the paths; of one file with both the same */
    const char *pattern;    /* that led to it; "": it was named itself */
    struct tls_facts facts;
    bool others_may_read; /* the key's file, whoever has an account here */
};

/* Reads all files into the vault: tls.files. What is wrong is kept as by lua/fields.h, with the
 * setting's path and the file's. */
void certificates_read(struct config_tls *, struct fields_wrong *);
/* The next one; false after the last. */
bool certificates_next(struct slice *files, struct certificate *);

struct client_files { /* what clients are verified with; borrows from the bytes */
    unsigned client;  /* which of tls.clients */
    struct slice ca, crl;
};

bool certificates_next_client(struct slice *files, struct client_files *);
/* The next name; false after the last. */
bool certificates_next_name(struct slice *names, struct slice *name);

#endif
