/* symbolon from C. Made of tools/capi/src by its test: SYMBOLON_WRITE_HEADER=1 writes it anew.
 *
 * Every function returns a status and writes what it gives where the caller says; symbolon_message() says why one failed.
 * Handles are numbers that are never given twice: one that was freed is refused. They may be used from several threads,
 * which then take turns.
 */
#ifndef SYMBOLON_H
#define SYMBOLON_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface, which symbolon_version() is to be held against. */
#define SYMBOLON_VERSION 1

/* How a call has ended. Up to 5 they are the exit statuses of the command. */
typedef enum SymbolonStatus {
  /* Done. */
  SYMBOLON_STATUS_OK = 0,
  /* A result is not what it must be. */
  SYMBOLON_STATUS_WRONG = 1,
  /* An argument, a program or data that cannot be used. */
  SYMBOLON_STATUS_USAGE = 2,
  /* A peer, or the network. */
  SYMBOLON_STATUS_PEER = 3,
  /* Memory, a device or a file is lacking. */
  SYMBOLON_STATUS_RESOURCES = 4,
  /* The parties disagree. */
  SYMBOLON_STATUS_DISAGREEMENT = 5,
  /* No such handle, or it was freed. */
  SYMBOLON_STATUS_HANDLE = 6,
  /* A fault of the library. */
  SYMBOLON_STATUS_FAULT = 70,
  /* The wait was ended by symbolon_session_interrupt. */
  SYMBOLON_STATUS_INTERRUPTED = 130,
} SymbolonStatus;

/* Why the last call of this thread that failed did so, in one line; the text lives until another one of it fails. */
const char *symbolon_message(void);

/* The version of this interface: a program compiled for another one must not go on. */
uint32_t symbolon_version(void);

/* Frees what a handle stands for; 0 is nothing. A session that was not closed ends, and its peers are told. A call of another
 * thread that is at work with it goes on as if it were not freed, and a session ends behind its last call: to end a run,
 * call symbolon_session_interrupt first. */
SymbolonStatus symbolon_free(uint64_t handle);

/* A program without steps, for "beaver" or another protocol: of fixed-point numbers with fraction_bits behind the point,
 * or with 0 of integers modulo 2^ring_bits. */
SymbolonStatus symbolon_program_new(const char *protocol, uint32_t ring_bits, uint32_t fraction_bits, uint64_t *program);

/* An input: owner brings it, and alone knows it. bound is the largest magnitude that it vouches for, 0 for none. */
SymbolonStatus symbolon_program_input(uint64_t program, const char *name, uint8_t owner, const uintptr_t *shape, uintptr_t axes, double bound);

/* An input of which every party brings its share: their sum modulo 2^k is the value, and bound its largest magnitude, 0
 * for none. */
SymbolonStatus symbolon_program_share(uint64_t program, const char *name, const uintptr_t *shape, uintptr_t axes, double bound);

/* A step of the job language, such as z = relu(x @ w). Names that begin with an underscore are the library's own. */
SymbolonStatus symbolon_program_step(uint64_t program, const char *step);

/* Lets the count parties in to learn a value. */
SymbolonStatus symbolon_program_output(uint64_t program, const char *name, const uint8_t *to, uintptr_t count);

/* Lets every party have its share of a value, and none the value. */
SymbolonStatus symbolon_program_output_share(uint64_t program, const char *name);

/* The program as the text of a job, which symbolon plan and symbolon run take too. needed is the bytes that it takes
 * with the zero behind it; with a room of 0 nothing else is written. */
SymbolonStatus symbolon_program_job(uint64_t program, char *job, uintptr_t room, uintptr_t *needed);

/* All parties on this machine, as processes of the program command, which is the symbolon command; where that is null,
 * as threads of this process, which then knows everything: for trials. flags are those of symbolon run, such as
 * --device, cpu. Where the process takes the signal SIGPIPE by its default, it ignores it from then on. */
SymbolonStatus symbolon_session_local(const char *command, const char *protocol, const char *const *flags, uintptr_t count, uint64_t *session);

/* One party of a deployment, as its file says, once it has met the others; the file is such as symbolon init makes. The
 * wait for them is as long as the flag --deadline says. SIGPIPE as for symbolon_session_local. */
SymbolonStatus symbolon_session_connect(const char *config, const char *protocol, const char *const *flags, uintptr_t count, uint64_t *session);

/* Ends the waits of a session, for good: a run of another thread returns SYMBOLON_STATUS_INTERRUPTED, as all later ones
 * do. */
SymbolonStatus symbolon_session_interrupt(uint64_t session);

/* Ends a session in order: returns once every party has everything. The handle is still to be freed. */
SymbolonStatus symbolon_session_close(uint64_t session);

/* What a program will take, as the JSON of symbolon plan --json: nothing runs. needed is as for symbolon_program_job. */
SymbolonStatus symbolon_session_plan(uint64_t session, uint64_t program, char *json, uintptr_t room, uintptr_t *needed);

/* Runs a program on inputs. With keep it is planned once and stays allocated for runs of the same program. */
SymbolonStatus symbolon_session_run(uint64_t session, uint64_t program, uint64_t inputs, bool keep, uint64_t *result);

/* Frees the memory of a program that was kept. */
SymbolonStatus symbolon_session_release(uint64_t session, uint64_t program);

/* Inputs of a run: none yet. */
SymbolonStatus symbolon_inputs_new(uint64_t *inputs);

/* Real numbers as an input of a program of fixed-point numbers; they are copied. */
SymbolonStatus symbolon_inputs_reals(uint64_t inputs, const char *name, const double *numbers, uintptr_t count);

/* Integers as an input of a program of integers; they are copied. */
SymbolonStatus symbolon_inputs_integers(uint64_t inputs, const char *name, const int64_t *numbers, uintptr_t count);

/* A party's share of an input that was declared by symbolon_program_share: ring elements, which are copied. */
SymbolonStatus symbolon_inputs_share(uint64_t inputs, const char *name, uint8_t party, const uint64_t *elements, uintptr_t count);

/* The number of elements of an output. */
SymbolonStatus symbolon_result_count(uint64_t result, const char *name, uintptr_t *count);

/* The numbers of an output of a program of fixed-point numbers, row by row. */
SymbolonStatus symbolon_result_reals(uint64_t result, const char *name, double *numbers, uintptr_t count);

/* The numbers of an output of a program of integers, row by row. */
SymbolonStatus symbolon_result_integers(uint64_t result, const char *name, int64_t *numbers, uintptr_t count);

/* A party's share of a value that leaves by symbolon_program_output_share, of a party that is here. */
SymbolonStatus symbolon_result_share(uint64_t result, const char *name, uint8_t party, uint64_t *elements, uintptr_t count);

/* What a run took, as the JSON of symbolon run --json. needed is as for symbolon_program_job. */
SymbolonStatus symbolon_result_report(uint64_t result, char *json, uintptr_t room, uintptr_t *needed);

/* Opens a device: "auto", "cpu", "gpu", or an adapter by a part of its name. */
SymbolonStatus symbolon_device_open(const char *name, uint64_t *device);

/* out = left · right modulo 2^ring_bits, which is 32 or 64: (m, k) times (k, n), of which sizes has m, k and n. Elements
 * have ring_bits bits. */
SymbolonStatus symbolon_gemm(uint64_t device, uint32_t ring_bits, const uintptr_t *sizes, const void *left, const void *right, void *out);

/* out = left + factor · right modulo 2^ring_bits, element by element: a factor of −1, as an unsigned number, subtracts. */
SymbolonStatus symbolon_add(uint64_t device, uint32_t ring_bits, uintptr_t count, const void *left, uint64_t factor, const void *right, void *out);

/* out = left ∘ right modulo 2^ring_bits, element by element. */
SymbolonStatus symbolon_multiply(uint64_t device, uint32_t ring_bits, uintptr_t count, const void *left, const void *right, void *out);

/* size_bytes bytes, whole words of 4, of the stream stream of ChaCha12 under a key of 32 bytes, from a block of 64
 * bytes on. Never use the same bytes twice. */
SymbolonStatus symbolon_fill(uint64_t device, const uint8_t *key, uint64_t stream, uint64_t block, uint8_t *out, uintptr_t size_bytes);

#ifdef __cplusplus
}
#endif

#endif
