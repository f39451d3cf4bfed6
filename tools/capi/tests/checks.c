/* What callers do and ought not to do. All parties are threads of this process. A failure is an exit status of 1. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <symbolon.h>

static int failures;

#define IS(call, expected)                                                                       \
  do {                                                                                           \
    SymbolonStatus status = (call);                                                              \
    if (status != (expected)) {                                                                  \
      fprintf(stderr, "line %d: status %d, message: %s\n", __LINE__, status, symbolon_message()); \
      failures++;                                                                                \
    }                                                                                            \
  } while (0)
#define OK(call) IS(call, SYMBOLON_STATUS_OK)
#define HOLDS(fact)                                              \
  do {                                                           \
    if (!(fact)) {                                               \
      fprintf(stderr, "line %d: " #fact " is false\n", __LINE__); \
      failures++;                                                \
    }                                                            \
  } while (0)

#define SIZES(...) ((const uintptr_t[]){__VA_ARGS__})

static const char *FLAGS[] = {"--device", "cpu", "--threads", "1"};

/* Shares of X and of Y go in, shares of the product come out; their sum is the product, modulo 2^64. */
static void shares(void) {
  const uintptr_t shape[] = {2, 2};
  const uint64_t x[] = {3, (uint64_t)-5, 7, 11}, y[] = {2, 4, (uint64_t)-6, 8}, product[] = {36, (uint64_t)-28, (uint64_t)-52, 116};
  uint64_t program, session, inputs, result, part[2][4], mask[2][4];
  for (int at = 0; at < 4; at++) {
    mask[0][at] = 0x9e3779b97f4a7c15u * (at + 1);
    mask[1][at] = 0xc2b2ae3d27d4eb4fu * (at + 5);
  }
  OK(symbolon_program_new("beaver", 64, 0, &program));
  OK(symbolon_program_share(program, "x", shape, 2, 0));
  OK(symbolon_program_share(program, "y", shape, 2, 0));
  OK(symbolon_program_step(program, "z = x @ y"));
  OK(symbolon_program_output_share(program, "z"));
  OK(symbolon_session_local(NULL, "beaver", FLAGS, 4, &session));
  OK(symbolon_inputs_new(&inputs));
  for (int party = 0; party < 2; party++) {
    uint64_t own[2][4];
    for (int at = 0; at < 4; at++) {
      own[0][at] = party == 0 ? mask[0][at] : x[at] - mask[0][at];
      own[1][at] = party == 0 ? mask[1][at] : y[at] - mask[1][at];
    }
    OK(symbolon_inputs_share(inputs, "x", party, own[0], 4));
    OK(symbolon_inputs_share(inputs, "y", party, own[1], 4));
  }
  uint64_t before[4] = {0};
  for (int turn = 0; turn < 3; turn++) {
    OK(symbolon_session_run(session, program, inputs, true, &result));
    for (int party = 0; party < 2; party++) OK(symbolon_result_share(result, "z", party, part[party], 4));
    for (int at = 0; at < 4; at++) HOLDS(part[0][at] + part[1][at] == product[at]);
    HOLDS(memcmp(before, part[0], sizeof before) != 0);
    memcpy(before, part[0], sizeof before);
    IS(symbolon_result_share(result, "z", 2, part[0], 4), SYMBOLON_STATUS_USAGE);
    IS(symbolon_result_share(result, "z", 0, part[0], 3), SYMBOLON_STATUS_USAGE);
    uintptr_t needed = 0;
    OK(symbolon_result_report(result, NULL, 0, &needed));
    char report[65536];
    HOLDS(needed > 100 && needed < sizeof report);
    OK(symbolon_result_report(result, report, sizeof report, NULL));
    HOLDS(report[0] == '{' && strlen(report) + 1 == needed);
    OK(symbolon_free(result));
  }
  OK(symbolon_session_release(session, program));
  OK(symbolon_session_close(session));
  IS(symbolon_session_run(session, program, inputs, false, &result), SYMBOLON_STATUS_USAGE);
  OK(symbolon_free(session));
  IS(symbolon_free(session), SYMBOLON_STATUS_HANDLE);
  IS(symbolon_session_close(session), SYMBOLON_STATUS_HANDLE);
  OK(symbolon_free(inputs));
  OK(symbolon_free(program));
}

/* Three parties, and fixed-point numbers with a share of a ReLU. */
static void three(void) {
  const uintptr_t shape[] = {3};
  const double numbers[] = {1.5, -2.0, 0.25};
  uint64_t program, session, inputs, result, part[3][3];
  OK(symbolon_program_new("replicated", 64, 16, &program));
  OK(symbolon_program_input(program, "x", 1, shape, 1, 4.0));
  OK(symbolon_program_step(program, "y = relu(x)"));
  OK(symbolon_program_output_share(program, "y"));
  OK(symbolon_session_local(NULL, "replicated", FLAGS, 4, &session));
  OK(symbolon_inputs_new(&inputs));
  OK(symbolon_inputs_reals(inputs, "x", numbers, 3));
  OK(symbolon_session_run(session, program, inputs, false, &result));
  for (int party = 0; party < 3; party++) OK(symbolon_result_share(result, "y", party, part[party], 3));
  for (int at = 0; at < 3; at++) {
    double sum = (double)(int64_t)(part[0][at] + part[1][at] + part[2][at]) / 65536;
    double due = numbers[at] > 0 ? numbers[at] : 0;
    HOLDS(sum - due < 1e-3 && due - sum < 1e-3);
  }
  OK(symbolon_free(result));
  OK(symbolon_free(session));
  OK(symbolon_free(inputs));
  OK(symbolon_free(program));
}

static void mistakes(void) {
  const uintptr_t shape[] = {2, 2}, large[] = {(uintptr_t)1 << 60, (uintptr_t)1 << 60};
  const uint8_t nobody[] = {7};
  uint64_t program = 0, session = 0, inputs = 0;
  IS(symbolon_program_new("other", 64, 16, &program), SYMBOLON_STATUS_USAGE);
  HOLDS(strstr(symbolon_message(), "other") != NULL);
  IS(symbolon_program_new(NULL, 64, 16, &program), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_new("beaver", 48, 16, &program), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_new("beaver", 64, 16, NULL), SYMBOLON_STATUS_USAGE);
  OK(symbolon_program_new("beaver", 64, 16, &program));
  IS(symbolon_program_input(program, "no name", 0, shape, 2, 0), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_input(program, "x", 9, shape, 2, 0), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_input(program, "x", 0, shape, 9, 0), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_input(program, "x", 0, NULL, 2, 0), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_input(program, "x", 0, large, 2, 0), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_input(program, "x", 0, shape, 2, -1), SYMBOLON_STATUS_USAGE);
  OK(symbolon_program_input(program, "x", 0, shape, 2, 0));
  IS(symbolon_program_input(program, "x", 0, shape, 2, 0), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_step(program, "y = x @ nothing"), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_step(program, "y = \xff"), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_output(program, "y", nobody, 1), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_output(program, "x", nobody, 1), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_job(program, NULL, 0, NULL), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_step(program + 1000, "y = x"), SYMBOLON_STATUS_HANDLE);
  IS(symbolon_session_local("/nowhere/symbolon", "beaver", NULL, 1, &session), SYMBOLON_STATUS_USAGE);
  OK(symbolon_inputs_new(&inputs));
  IS(symbolon_program_step(inputs, "y = x"), SYMBOLON_STATUS_HANDLE);
  IS(symbolon_session_connect("/nowhere/party.toml", "beaver", NULL, 0, &session), SYMBOLON_STATUS_USAGE);
  OK(symbolon_session_local(NULL, "beaver", FLAGS, 4, &session));
  uint64_t result;
  const uint8_t first[] = {0};
  OK(symbolon_program_output(program, "x", first, 1));
  IS(symbolon_session_run(session, program, inputs, false, &result), SYMBOLON_STATUS_USAGE);
  HOLDS(strstr(symbolon_message(), "'x'") != NULL);
  const double three_of_them[] = {1, 2, 3};
  OK(symbolon_inputs_reals(inputs, "x", three_of_them, 3));
  IS(symbolon_session_run(session, program, inputs, false, &result), SYMBOLON_STATUS_USAGE);
  OK(symbolon_free(session));
  OK(symbolon_free(0));
  OK(symbolon_free(inputs));
  OK(symbolon_free(program));
}

/* Values named as a library might name its shares stand beside these; names of the library's own are refused. */
static void names(void) {
  const uintptr_t shape[] = {1};
  const uint8_t both[] = {0, 1}, first[] = {0};
  const int64_t five[] = {5};
  const uint64_t share[2][1] = {{100}, {(uint64_t)-93}};
  uint64_t program, session, inputs, result, part[2][1];
  int64_t sum[1];
  char name[58];
  memset(name, 'n', sizeof name - 1);
  name[57] = 0;
  OK(symbolon_program_new("beaver", 64, 0, &program));
  IS(symbolon_program_share(program, name, shape, 1, 0), SYMBOLON_STATUS_USAGE);
  name[56] = 0;
  OK(symbolon_program_share(program, name, shape, 1, 0));
  OK(symbolon_program_share(program, "x", shape, 1, 0));
  OK(symbolon_program_input(program, "x_share0", 0, shape, 1, 0));
  OK(symbolon_program_input(program, "in0_x", 0, shape, 1, 0));
  OK(symbolon_program_step(program, "z_share1 = x + x_share0"));
  OK(symbolon_program_step(program, "z = z_share1 * in0_x"));
  IS(symbolon_program_input(program, "_in0_y", 0, shape, 1, 0), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_share(program, "_y", shape, 1, 0), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_step(program, "y = x +_in0_x"), SYMBOLON_STATUS_USAGE);
  HOLDS(strstr(symbolon_message(), "'_in0_x'") != NULL && strchr(symbolon_message(), '\n') == NULL);
  IS(symbolon_program_step(program, "_out1_z = x"), SYMBOLON_STATUS_USAGE);
  OK(symbolon_program_output_share(program, "z"));
  OK(symbolon_program_output_share(program, name));
  IS(symbolon_program_output_share(program, "z"), SYMBOLON_STATUS_USAGE);
  IS(symbolon_program_output(program, "_out1_z", first, 1), SYMBOLON_STATUS_USAGE);
  OK(symbolon_program_output(program, "z_share1", both, 2));
  OK(symbolon_session_local(NULL, "beaver", FLAGS, 4, &session));
  OK(symbolon_inputs_new(&inputs));
  OK(symbolon_inputs_integers(inputs, "x_share0", five, 1));
  OK(symbolon_inputs_integers(inputs, "in0_x", five, 1));
  IS(symbolon_inputs_integers(inputs, "_in0_x", five, 1), SYMBOLON_STATUS_USAGE);
  for (int party = 0; party < 2; party++) OK(symbolon_inputs_share(inputs, name, party, share[party], 1));
  OK(symbolon_inputs_share(inputs, "x", 0, share[0], 1));
  IS(symbolon_session_run(session, program, inputs, false, &result), SYMBOLON_STATUS_USAGE);
  HOLDS(strstr(symbolon_message(), "share of 'x' of party 1") != NULL);
  OK(symbolon_inputs_share(inputs, "x", 1, share[1], 1));
  OK(symbolon_session_run(session, program, inputs, false, &result));
  OK(symbolon_result_integers(result, "z_share1", sum, 1));
  for (int party = 0; party < 2; party++) OK(symbolon_result_share(result, "z", party, part[party], 1));
  HOLDS(sum[0] == 12 && part[0][0] + part[1][0] == 60);
  for (int party = 0; party < 2; party++) OK(symbolon_result_share(result, name, party, part[party], 1));
  HOLDS(part[0][0] + part[1][0] == 7);
  IS(symbolon_result_share(result, "x", 0, part[0], 1), SYMBOLON_STATUS_USAGE);
  IS(symbolon_result_integers(result, "_out1_z", sum, 1), SYMBOLON_STATUS_USAGE);
  OK(symbolon_free(result));
  OK(symbolon_free(session));
  OK(symbolon_free(inputs));
  OK(symbolon_free(program));
}

/* A session that another thread runs: freed, it ends behind the run, which is not disturbed; interrupted, the run ends. */
struct run {
  uint64_t program, session, inputs;
  SymbolonStatus last;
  atomic_int done;
};
static void *runs(void *of) {
  struct run *run = of;
  uint64_t result;
  int64_t square[1];
  while ((run->last = symbolon_session_run(run->session, run->program, run->inputs, true, &result)) == SYMBOLON_STATUS_OK) {
    OK(symbolon_result_integers(result, "y", square, 1));
    HOLDS(square[0] == 49);
    OK(symbolon_free(result));
    atomic_fetch_add(&run->done, 1);
  }
  return NULL;
}
static void endings(SymbolonStatus (*end)(uint64_t), SymbolonStatus due) {
  const uintptr_t shape[] = {1};
  const uint8_t both[] = {0, 1};
  const int64_t seven[] = {7};
  struct run run = {0};
  uint64_t result;
  pthread_t thread;
  OK(symbolon_program_new("beaver", 64, 0, &run.program));
  OK(symbolon_program_input(run.program, "x", 1, shape, 1, 0));
  OK(symbolon_program_step(run.program, "y = x * x"));
  OK(symbolon_program_output(run.program, "y", both, 2));
  OK(symbolon_inputs_new(&run.inputs));
  OK(symbolon_inputs_integers(run.inputs, "x", seven, 1));
  OK(symbolon_session_local(NULL, "beaver", FLAGS, 4, &run.session));
  pthread_create(&thread, NULL, runs, &run);
  while (atomic_load(&run.done) == 0) sched_yield();
  OK(end(run.session));
  pthread_join(thread, NULL);
  HOLDS(run.last == due);
  IS(symbolon_session_run(run.session, run.program, run.inputs, false, &result), due);
  IS(symbolon_free(run.session), due == SYMBOLON_STATUS_HANDLE ? due : SYMBOLON_STATUS_OK);
  OK(symbolon_free(run.inputs));
  OK(symbolon_free(run.program));
}

static void kernels(void) {
  const uint64_t left[] = {1, 2, 3, (uint64_t)-4}, right[] = {5, 6, 7, 8};
  const uint32_t narrow[] = {1, 2, 3, 0xfffffffc}, other[] = {5, 6, 7, 8};
  uint64_t device, out[4];
  uint32_t out32[4];
  OK(symbolon_device_open("cpu", &device));
  OK(symbolon_gemm(device, 64, SIZES(2, 2, 2), left, right, out));
  HOLDS(out[0] == 19 && out[1] == 22 && out[2] == (uint64_t)-13 && out[3] == (uint64_t)-14);
  OK(symbolon_gemm(device, 32, SIZES(2, 2, 2), narrow, other, out32));
  HOLDS(out32[0] == 19 && out32[1] == 22 && out32[2] == (uint32_t)-13 && out32[3] == (uint32_t)-14);
  OK(symbolon_multiply(device, 64, 4, left, right, out));
  HOLDS(out[0] == 5 && out[3] == (uint64_t)-32);
  OK(symbolon_add(device, 32, 4, narrow, (uint64_t)-1, other, out32));
  HOLDS(out32[0] == (uint32_t)-4 && out32[3] == (uint32_t)-12);
  OK(symbolon_gemm(device, 64, SIZES(2, 0, 2), NULL, NULL, out));
  HOLDS(out[0] == 0 && out[3] == 0);
  OK(symbolon_gemm(device, 64, SIZES(0, 2, 2), NULL, right, NULL));
  IS(symbolon_gemm(device, 64, SIZES(2, 2, 2), NULL, right, out), SYMBOLON_STATUS_USAGE);
  IS(symbolon_gemm(device, 48, SIZES(2, 2, 2), left, right, out), SYMBOLON_STATUS_USAGE);
  IS(symbolon_gemm(device, 64, SIZES((uintptr_t)1 << 40, (uintptr_t)1 << 40, 2), left, right, out), SYMBOLON_STATUS_USAGE);
  /* Strombergson's test vector TC1 for 12 rounds: key and nonce are zero. */
  const uint8_t key[32] = {0}, due[8] = {0x9b, 0xf4, 0x9a, 0x6a, 0x07, 0x55, 0xf9, 0x53};
  uint8_t bytes[64];
  OK(symbolon_fill(device, key, 0, 0, bytes, sizeof bytes));
  HOLDS(memcmp(bytes, due, sizeof due) == 0);
  IS(symbolon_fill(device, key, 0, 0, bytes, 3), SYMBOLON_STATUS_USAGE);
  OK(symbolon_free(device));
  IS(symbolon_gemm(device, 64, SIZES(2, 2, 2), left, right, out), SYMBOLON_STATUS_HANDLE);
}

/* Threads share a device, and free it all at once: one of them succeeds. */
static uint64_t shared;
static void *works(void *freed) {
  const uint64_t left[] = {1, 2, 3, 4};
  uint64_t out[4];
  for (int turn = 0; turn < 50; turn++) {
    OK(symbolon_gemm(shared, 64, SIZES(2, 2, 2), left, left, out));
    HOLDS(out[0] == 7 && out[3] == 22);
  }
  (void)freed;
  return NULL;
}
static void *frees(void *freed) {
  *(int *)freed = symbolon_free(shared) == SYMBOLON_STATUS_OK;
  return NULL;
}
static void threads(void) {
  pthread_t thread[4];
  int freed[4] = {0};
  OK(symbolon_device_open("cpu", &shared));
  for (int at = 0; at < 4; at++) pthread_create(&thread[at], NULL, works, NULL);
  for (int at = 0; at < 4; at++) pthread_join(thread[at], NULL);
  for (int at = 0; at < 4; at++) pthread_create(&thread[at], NULL, frees, &freed[at]);
  for (int at = 0; at < 4; at++) pthread_join(thread[at], NULL);
  HOLDS(freed[0] + freed[1] + freed[2] + freed[3] == 1);
}

int main(void) {
  HOLDS(symbolon_version() == SYMBOLON_VERSION);
  kernels();
  mistakes();
  threads();
  shares();
  names();
  endings(symbolon_free, SYMBOLON_STATUS_HANDLE);
  endings(symbolon_session_interrupt, SYMBOLON_STATUS_INTERRUPTED);
  three();
  return failures == 0 ? 0 : 1;
}
