/* A plugin that uses the whole interface: it needs RGB, has a state, tells the data channel how bright each frame is,
 * makes sound quieter, gives frames another size, hands bytes to the plugin after it, and can fail on purpose. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trickle/effect_plugin.h"

struct state {
  const trickle_effect_host* host;
  char mode[32];
  double gain;
  double load_seconds;
  double stall_seconds;
  char once[256];
  int frames;
};

static const trickle_effect_parameter_info kParameters[] = {
    {"mode", 0, "red", 0, 0, "red, data, half, tag, read_tag, drop_odd, fail_on_7 or crash_on_7."},
    {"gain", 1, "0.5", 0, 1, "What sound is multiplied by, and the red that is added."},
    {"load_seconds", 1, "0", 0, 60, "How long to take to load."},
    {"stall_seconds", 1, "0", 0, 60, "How long the seventh frame takes."},
    {"once", 0, "", 0, 0, "A file that the first crash makes: while it is there, there are no more."},
    {NULL, 0, NULL, 0, 0, NULL},
};

static const char* const kFormats[] = {"rgb24", NULL};

static int update(void* opaque, const trickle_effect_parameter* parameters, size_t count) {
  struct state* state = opaque;
  for (size_t i = 0; i < count; ++i) {
    const char* value = parameters[i].value;
    if (strcmp(parameters[i].name, "mode") == 0) {
      if (strcmp(value, "refuse") == 0) {
        state->host->fail(state->host, "there is no mode \"refuse\"");
        return TRICKLE_EFFECT_FAILED;
      }
      snprintf(state->mode, sizeof state->mode, "%s", value);
    } else if (strcmp(parameters[i].name, "gain") == 0) {
      state->gain = atof(value);
    } else if (strcmp(parameters[i].name, "load_seconds") == 0) {
      state->load_seconds = atof(value);
    } else if (strcmp(parameters[i].name, "stall_seconds") == 0) {
      state->stall_seconds = atof(value);
    } else if (strcmp(parameters[i].name, "once") == 0) {
      snprintf(state->once, sizeof state->once, "%s", value);
    }
  }
  return TRICKLE_EFFECT_OK;
}

static void destroy(void* opaque) { free(opaque); }

static int create(const trickle_effect_host* host, const trickle_effect_parameter* parameters, size_t count,
                  void** opaque) {
  struct state* state = calloc(1, sizeof *state);
  if (state == NULL) return TRICKLE_EFFECT_FAILED;
  state->host = host;
  if (update(state, parameters, count) != TRICKLE_EFFECT_OK) {
    destroy(state);
    return TRICKLE_EFFECT_FAILED;
  }
  *opaque = state;
  return TRICKLE_EFFECT_OK;
}

static void pause_for(double seconds) {
  const struct timespec wait = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&wait, NULL);
}

static int load(void* opaque) {
  const struct state* state = opaque;
  pause_for(state->load_seconds);
  state->host->log(state->host, TRICKLE_EFFECT_INFO, "loaded");
  return TRICKLE_EFFECT_OK;
}

static void add_red(trickle_effect_frame* frame, double gain) {
  for (int y = 0; y < frame->height; ++y) {
    uint8_t* pixel = frame->planes[0] + y * frame->stride_bytes[0];
    for (int x = 0; x < frame->width; ++x, pixel += 3) {
      const double red = pixel[0] + gain * 255;
      pixel[0] = (uint8_t)(red > 255 ? 255 : red + 0.5);
    }
  }
}

static double brightness(const trickle_effect_frame* frame) {
  double sum = 0;
  for (int y = 0; y < frame->height; ++y) {
    const uint8_t* row = frame->planes[0] + y * frame->stride_bytes[0];
    for (int i = 0; i < 3 * frame->width; ++i) sum += row[i];
  }
  return sum / 765 / frame->width / frame->height;
}

/* Every second pixel of every second row. */
static int halve(const struct state* state, trickle_effect_frame* frame) {
  const trickle_effect_frame old = *frame;
  if (state->host->new_picture(state->host, frame, old.width / 2, old.height / 2, NULL) != TRICKLE_EFFECT_OK) {
    return TRICKLE_EFFECT_FAILED;
  }
  for (int y = 0; y < frame->height; ++y) {
    for (int x = 0; x < frame->width; ++x) {
      memcpy(frame->planes[0] + y * frame->stride_bytes[0] + 3 * x,
             old.planes[0] + 2 * y * old.stride_bytes[0] + 6 * x, 3);
    }
  }
  return TRICKLE_EFFECT_OK;
}

/* As a bug would. */
static void crash(const struct state* state) {
  if (state->once[0] != '\0') {
    FILE* mark = fopen(state->once, "wx");
    if (mark == NULL) return;
    fclose(mark);
  }
  *(volatile int*)NULL = 7;
}

static int process_video(void* opaque, trickle_effect_frame* frame) {
  struct state* state = opaque;
  char text[64];
  ++state->frames;
  if (state->frames == 7) pause_for(state->stall_seconds);
  if (strcmp(state->mode, "red") == 0) add_red(frame, state->gain);
  if (strcmp(state->mode, "half") == 0) return halve(state, frame);
  if (strcmp(state->mode, "data") == 0) {
    snprintf(text, sizeof text, "{\"pts\":%lld,\"brightness\":%.3f}", (long long)frame->pts, brightness(frame));
    state->host->send_data(state->host, text);
  }
  if (strcmp(state->mode, "tag") == 0) {
    snprintf(text, sizeof text, "frame %d", state->frames);
    state->host->set_user_data(state->host, frame, text, strlen(text));
  }
  if (strcmp(state->mode, "read_tag") == 0) {
    snprintf(text, sizeof text, "the frame says: %.*s", (int)frame->user_data_bytes, (const char*)frame->user_data);
    state->host->log(state->host, TRICKLE_EFFECT_INFO, text);
  }
  if (strcmp(state->mode, "drop_odd") == 0 && state->frames % 2 == 1) return TRICKLE_EFFECT_DROP;
  if (strcmp(state->mode, "fail_on_7") == 0 && state->frames == 7) {
    memset(frame->planes[0], 0, (size_t)(3 * frame->width));
    state->host->fail(state->host, "seven is too many");
    return TRICKLE_EFFECT_FAILED;
  }
  if (strcmp(state->mode, "crash_on_7") == 0 && state->frames == 7) crash(state);
  return TRICKLE_EFFECT_OK;
}

static int process_audio(void* opaque, trickle_effect_sound* sound) {
  const struct state* state = opaque;
  for (size_t i = 0; i < sound->length * (size_t)sound->channels; ++i) sound->samples[i] *= (float)state->gain;
  return TRICKLE_EFFECT_OK;
}

#ifndef EXAMPLE_VERSION
#define EXAMPLE_VERSION TRICKLE_EFFECT_ABI_VERSION
#endif

const trickle_effect_plugin* trickle_effect_plugin_entry(void) {
  static const trickle_effect_plugin kPlugin = {
      .struct_size = sizeof(trickle_effect_plugin),
      .abi_version = EXAMPLE_VERSION,
      .name = "example",
      .text = "Shows what a plugin can do.",
      .parameters = kParameters,
      .pixel_formats = kFormats,
      .create = create,
      .load = load,
      .process_video = process_video,
      .process_audio = process_audio,
      .update = update,
      .destroy = destroy,
  };
  return &kPlugin;
}
