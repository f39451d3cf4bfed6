/* A private product between two organisations: each runs this program with its own file, as `symbolon init` makes it.
 *
 *     product nodes/party0/party.toml 0        and elsewhere        product nodes/party1/party.toml 1
 *
 * Party 0 brings x, party 1 w. Both learn x @ w, and each keeps its share of the square of it, which nobody sees.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <symbolon.h>

#define TRY(call)                                                            \
  do {                                                                       \
    SymbolonStatus status = (call);                                          \
    if (status != SYMBOLON_STATUS_OK) {                                      \
      fprintf(stderr, "product: %s\n", symbolon_message());                  \
      return (int)status;                                                    \
    }                                                                        \
  } while (0)

int main(int count, char **words) {
  if (count != 3 || symbolon_version() != SYMBOLON_VERSION) {
    fprintf(stderr, "usage: product PARTY.toml PARTY\n");
    return SYMBOLON_STATUS_USAGE;
  }
  const uint8_t party = (uint8_t)atoi(words[2]);
  const uintptr_t x_shape[] = {2, 3}, w_shape[] = {3, 2};
  const uint8_t both[] = {0, 1};
  const double x[] = {0.5, 1.0, -0.25, 2.0, -1.0, 0.0}, w[] = {1.0, -1.0, 0.5, 2.0, 0.0, 1.0};
  const char *flags[] = {"--device", "cpu", "--threads", "1"};
  uint64_t program, session, inputs, result;

  TRY(symbolon_program_new("beaver", 64, 16, &program));
  TRY(symbolon_program_input(program, "x", 0, x_shape, 2, 4.0));
  TRY(symbolon_program_input(program, "w", 1, w_shape, 2, 4.0));
  TRY(symbolon_program_step(program, "z = x @ w"));
  TRY(symbolon_program_step(program, "square = z * z"));
  TRY(symbolon_program_output(program, "z", both, 2));
  TRY(symbolon_program_output_share(program, "square"));

  TRY(symbolon_session_connect(words[1], "beaver", flags, 4, &session));
  TRY(symbolon_inputs_new(&inputs));
  TRY(symbolon_inputs_reals(inputs, party == 0 ? "x" : "w", party == 0 ? x : w, 6));
  TRY(symbolon_session_run(session, program, inputs, false, &result));

  double z[4];
  uint64_t share[4];
  TRY(symbolon_result_reals(result, "z", z, 4));
  TRY(symbolon_result_share(result, "square", party, share, 4));
  printf("%.2f %.2f %.2f %.2f\n", z[0], z[1], z[2], z[3]);
  printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", share[0], share[1], share[2], share[3]);

  TRY(symbolon_session_close(session));
  TRY(symbolon_free(result));
  TRY(symbolon_free(inputs));
  TRY(symbolon_free(session));
  TRY(symbolon_free(program));
  return 0;
}
