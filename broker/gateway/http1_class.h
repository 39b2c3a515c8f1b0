/*
 * http1_class - which bytes may stand where in HTTP/1.1 (RFC 9110 section 5.6.2, 5.5; RFC 3986).
 * Process: gateway, shim, tests.   Owns: nothing.   Secrets: none.   Limits: none.   Failure: none.
 */
#ifndef GATEWAY_HTTP1_CLASS_H
#define GATEWAY_HTTP1_CLASS_H

#include <stdint.h>

#define HTTP1_CLASS_TOKEN 1  /* tchar */
#define HTTP1_CLASS_VALUE 2  /* inside a field value: tab, space, visible, obs-text */
#define HTTP1_CLASS_TARGET 4 /* 0x21 to 0x7e without '#' */
#define HTTP1_CLASS_HOST 8   /* what a host name or IPv4 address is made of */
#define HTTP1_CLASS_METHOD                                                                         \
	16 /* A to Z and '-', as every registered method is: servers refuse or fold others */

extern const uint8_t http1_class[256];

#endif
