/* A plugin to start from: copy it, change the names, fill in the pixels.
 *
 *   cc -std=c11 -O2 -shared -fPIC -I lib/include template.c -o libtemplate.so
 *   trickle-fx plugin:path=./libtemplate.so,amount=0.5 < in.ts > out.ts
 *
 * This one darkens the picture: every sample of luma is moved towards black by `amount`.
 */
#include <stdlib.h>
#include <string.h>

#include "trickle/effect_plugin.h"

struct state {
  const trickle_effect_host* host;
  double amount;
};

static const trickle_effect_parameter_info kParameters[] = {
    {"amount", 1, "0.5", 0, 1, "0 leaves the picture as it is, 1 makes it black."},
    {NULL, 0, NULL, 0, 0, NULL},
};

static const char* const kFormats[] = {"yuv420p", "yuv422p", "yuv444p", "nv12", "gray", NULL};

static int update(void* opaque, const trickle_effect_parameter* parameters, size_t count) {
  struct state* state = opaque;
  for (size_t i = 0; i < count; ++i) {
    if (strcmp(parameters[i].name, "amount") == 0) state->amount = atof(parameters[i].value);
  }
  return TRICKLE_EFFECT_OK;
}

static int create(const trickle_effect_host* host, const trickle_effect_parameter* parameters, size_t count,
                  void** opaque) {
  struct state* state = calloc(1, sizeof *state);
  if (state == NULL) {
    host->fail(host, "out of memory");
    return TRICKLE_EFFECT_FAILED;
  }
  state->host = host;
  *opaque = state;
  return update(state, parameters, count);
}

static int process_video(void* opaque, trickle_effect_frame* frame) {
  const struct state* state = opaque;
  const int black = frame->color_range == 2 ? 0 : 16;
  for (int y = 0; y < frame->height; ++y) {
    uint8_t* row = frame->planes[0] + y * frame->stride_bytes[0];
    for (int x = 0; x < frame->width; ++x) {
      row[x] = (uint8_t)(row[x] - (row[x] - black) * state->amount + 0.5);
    }
  }
  return TRICKLE_EFFECT_OK;
}

static void destroy(void* opaque) { free(opaque); }

const trickle_effect_plugin* trickle_effect_plugin_entry(void) {
  static const trickle_effect_plugin kPlugin = {
      .struct_size = sizeof(trickle_effect_plugin),
      .abi_version = TRICKLE_EFFECT_ABI_VERSION,
      .name = "darken",
      .text = "Moves the picture towards black.",
      .parameters = kParameters,
      .pixel_formats = kFormats,
      .create = create,
      .process_video = process_video,
      .update = update,
      .destroy = destroy,
  };
  return &kPlugin;
}
