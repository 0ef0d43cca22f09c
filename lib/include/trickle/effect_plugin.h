/* The C interface of effects in shared libraries: what `trickle-fx plugin:path=libx.so` loads.
 *
 * A plugin is one shared library that exports one function, trickle_effect_plugin_entry(). It may be written
 * in any language that can make such a library. tests/plugins/template.c is one to copy.
 *
 * The interface is stable by construction: every struct begins with its own size, new members are only ever
 * added at the end, and what the other side does not know it neither reads nor calls. Whoever makes a struct
 * sets struct_size to sizeof of it as they were compiled; whoever reads one looks no further than that.
 *
 * Threads: the functions of one state are never called at the same time, but not always on the same thread.
 * Functions return TRICKLE_EFFECT_OK or one of the other results; a plugin that fails says why with
 * host->fail() before it returns. It must not let exceptions out, nor end the process. One that crashes takes
 * its filter down with it; trickle-serve then starts that anew.
 */
#ifndef TRICKLE_EFFECT_PLUGIN_H
#define TRICKLE_EFFECT_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised only when members change their meaning: a library of another version is refused. */
#define TRICKLE_EFFECT_ABI_VERSION 1

enum trickle_effect_result {
  TRICKLE_EFFECT_OK = 0,
  TRICKLE_EFFECT_DROP = 1,    /* From process_video: this frame is left out. */
  TRICKLE_EFFECT_FAILED = -1, /* The frame passes as it came; from create, load or update: refused. */
};

/* One picture. Its pixels may be changed in place. */
typedef struct trickle_effect_frame {
  size_t struct_size;
  const char* pixel_format; /* FFmpeg's name: "yuv420p", "rgb24", ... */
  int32_t width;            /* In pixels. */
  int32_t height;
  uint8_t* planes[4];        /* Top row first. */
  ptrdiff_t stride_bytes[4]; /* From a row to the one below it; may be negative. */
  int64_t pts;               /* Presentation time, in units of time_base_num / time_base_den seconds. */
  int32_t time_base_num;
  int32_t time_base_den;
  int64_t duration;     /* In the same units; 0: unknown. */
  int32_t color_matrix; /* Code points of ISO/IEC 23091-2; 2: unspecified. */
  int32_t color_range;  /* 0: unspecified, 1: limited, 2: full. */
  /* Bytes that a plugin earlier in the chain put on this frame with set_user_data(); NULL without any. */
  const void* user_data;
  size_t user_data_bytes;
} trickle_effect_frame;

/* Samples that follow each other. They may be changed in place. */
typedef struct trickle_effect_sound {
  size_t struct_size;
  int32_t track; /* From 0. */
  int32_t sample_rate;
  int32_t channels;
  size_t length;  /* Samples of each channel. */
  float* samples; /* Interleaved; full scale is -1 to 1. */
  int64_t pts;    /* Of the first sample, in units of time_base_num / time_base_den seconds. */
  int32_t time_base_num;
  int32_t time_base_den;
} trickle_effect_sound;

enum trickle_effect_log_level {
  TRICKLE_EFFECT_DEBUG = 0,
  TRICKLE_EFFECT_INFO = 1,
  TRICKLE_EFFECT_WARNING = 2
};

/* What a plugin may ask of the program. Lives as long as the state; its functions may be called only from
 * within the plugin's, with the pointer that create() got. */
typedef struct trickle_effect_host {
  size_t struct_size;
  uint32_t abi_version;
  /* Says why the function that is about to return TRICKLE_EFFECT_FAILED does: one sentence, which is copied.
   */
  void (*fail)(const struct trickle_effect_host* host, const char* sentence);
  void (*log)(const struct trickle_effect_host* host, int level, const char* sentence);
  /* Sends one JSON value to the stream's data channel. */
  void (*send_data)(const struct trickle_effect_host* host, const char* json);
  /* From process_video only: gives `frame` new pixels, of another size or format if need be (NULL: the same).
   * They are not initialised. The old ones stay readable until process_video returns. */
  int (*new_picture)(const struct trickle_effect_host* host, trickle_effect_frame* frame, int32_t width,
                     int32_t height, const char* pixel_format);
  /* From process_video only: puts a copy of these bytes on the frame, for plugins later in the chain. */
  void (*set_user_data)(const struct trickle_effect_host* host, trickle_effect_frame* frame,
                        const void* bytes, size_t size_bytes);
} trickle_effect_host;

/* A parameter as the user gave it, or its default. */
typedef struct trickle_effect_parameter {
  const char* name;
  const char* value;
} trickle_effect_parameter;

/* A parameter that the plugin has. Numbers are checked against the range before the plugin sees them. */
typedef struct trickle_effect_parameter_info {
  const char* name; /* NULL ends the list. */
  int32_t is_number;
  const char* default_value;
  double minimum; /* Of a number. */
  double maximum;
  const char* text; /* One sentence for a person. */
} trickle_effect_parameter_info;

typedef struct trickle_effect_plugin {
  size_t struct_size;
  uint32_t abi_version; /* TRICKLE_EFFECT_ABI_VERSION. */
  const char* name;
  const char* text; /* One sentence for a person. */

  /* Ended by an entry without a name; NULL: it has none. */
  const trickle_effect_parameter_info* parameters;
  /* FFmpeg's names of the pixel formats it takes, best first, ended by NULL. Frames of others are converted
   * to the first and back. NULL: any. */
  const char* const* pixel_formats;

  /* Makes a state from every parameter that there is. Quick. */
  int (*create)(const trickle_effect_host* host, const trickle_effect_parameter* parameters, size_t count,
                void** state);
  /* Makes it ready, however long that takes; the stream goes on meanwhile. NULL: nothing to do. */
  int (*load)(void* state);
  /* NULL: pictures pass untouched. */
  int (*process_video)(void* state, trickle_effect_frame* frame);
  /* NULL: sound passes untouched (and stays compressed). */
  int (*process_audio)(void* state, trickle_effect_sound* sound);
  /* Takes new values, every one of them, between two frames; when it fails nothing may have changed. NULL: a
   * new state is made instead. */
  int (*update)(void* state, const trickle_effect_parameter* parameters, size_t count);
  /* Ends a state that create() made, whether it was loaded or not. NULL: nothing to do. */
  void (*destroy)(void* state);
} trickle_effect_plugin;

#ifdef __GNUC__
#define TRICKLE_EFFECT_EXPORT __attribute__((visibility("default")))
#else
#define TRICKLE_EFFECT_EXPORT
#endif

/* What the library exports; what it points to is constant. */
TRICKLE_EFFECT_EXPORT const trickle_effect_plugin* trickle_effect_plugin_entry(void);

#ifdef __cplusplus
}
#endif

#endif
