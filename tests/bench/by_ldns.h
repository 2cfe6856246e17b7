/* by_ldns: what ldns alone takes to read a query and write an answer, without looking for one. The
 * mark of an answer was set beside this figure, and both move with the machine. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Reads the query and writes an answer of two addresses, with its EDNS; octets of it, 0 if ldns fails. */
size_t by_ldns(const uint8_t *query, size_t len);
