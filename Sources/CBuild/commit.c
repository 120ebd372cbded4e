#include "cbuild.h"

// Package.swift takes it from the environment; `make release` puts it there.
#ifndef CBUILD_COMMIT
#define CBUILD_COMMIT ""
#endif

const char *cbuild_commit(void) { return CBUILD_COMMIT; }
