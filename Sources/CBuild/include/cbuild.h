#pragma once

// The commit that the program was built from; empty where the build was not given it.
const char *cbuild_commit(void);
