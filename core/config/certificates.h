/*
 * certificates - the files that tls and the backends' tls name, read once and checked.
 *
 * The process that tries a script reads the files. The result is bytes without pointers, which
 * reach other processes as the script's text does: these find the certificates there and open no
 * file. Links in a path are followed when the file is read.
 */
#ifndef CONFIG_CERTIFICATES_H
#define CONFIG_CERTIFICATES_H

#include "config/config.h"
#include "net/tls_certificate.h"

struct fields_wrong; /* lua/fields.h */

enum {
    CERTIFICATES_BYTES_MAX = 128 << 20,
    CERTIFICATES_FEW_BYTES_MAX = 8 << 20, /* if no listener has TLS: those for backends */
};

struct certificate { /* borrows from the bytes */
    struct tls_certificate pem;
    struct slice names;     /* each with a NUL behind it */
    const char *cert, *key; /* the paths; equal if one file has both */
    const char *pattern;    /* the pattern that found the file; "": the script names the file */
    struct tls_facts facts;
    bool others_may_read; /* other accounts may read the key's file */
    int remote;           /* which of tls.remotes it is shown to; -1: it is a site's */
};

/* Reads all files into the vault: tls.files. A fault is reported as by lua/fields.h, with the path
 * of the setting and of the file. */
void certificates_read(struct config_tls *, struct fields_wrong *);
/* The next one, those of sites first; false after the last. */
bool certificates_next(struct slice *files, struct certificate *);

struct client_files { /* to verify clients with; borrows from the bytes */
    unsigned client;  /* which of tls.clients */
    struct slice ca, crl;
    const char *ca_path, *crl_path; /* crl NULL: there is none */
};

bool certificates_next_client(struct slice *files, struct client_files *);

struct remote_ca {   /* to verify backends with; borrows from the bytes */
    unsigned remote; /* which of tls.remotes */
    struct slice pem;
    const char *path;
};

bool certificates_next_ca(struct slice *files, struct remote_ca *);

struct ticket_file {   /* borrows from the bytes */
    struct slice keys; /* one behind the other */
    const char *path;
    bool others_may_read;
};

bool certificates_find_tickets(struct slice files, struct ticket_file *);
bool certificates_are_for_backends(struct slice files); /* some of them are */
/* The next name; false after the last. */
bool certificates_next_name(struct slice *names, struct slice *name);

#endif
