#include "codec/ts_codecs.h"

#include "codec/opus_in_ts.h"

namespace trickle {

AVCodecID av_codec_of(ts::Codec codec) {
  switch (codec) {
    case ts::Codec::kMpeg1Video:
      return AV_CODEC_ID_MPEG1VIDEO;
    case ts::Codec::kMpeg2Video:
      return AV_CODEC_ID_MPEG2VIDEO;
    case ts::Codec::kMpeg4Video:
      return AV_CODEC_ID_MPEG4;
    case ts::Codec::kH264:
      return AV_CODEC_ID_H264;
    case ts::Codec::kHevc:
      return AV_CODEC_ID_HEVC;
    case ts::Codec::kVvc:
      return AV_CODEC_ID_VVC;
    case ts::Codec::kAv1:
      return AV_CODEC_ID_AV1;
    case ts::Codec::kVc1:
      return AV_CODEC_ID_VC1;
    case ts::Codec::kMpegAudio:
      return AV_CODEC_ID_MP2;
    case ts::Codec::kAac:
      return AV_CODEC_ID_AAC;
    case ts::Codec::kAacLatm:
      return AV_CODEC_ID_AAC_LATM;
    case ts::Codec::kAc3:
      return AV_CODEC_ID_AC3;
    case ts::Codec::kEac3:
      return AV_CODEC_ID_EAC3;
    case ts::Codec::kDts:
      return AV_CODEC_ID_DTS;
    case ts::Codec::kOpus:
      return AV_CODEC_ID_OPUS;
    case ts::Codec::kPcmBluray:
      return AV_CODEC_ID_PCM_BLURAY;
    case ts::Codec::kUnknownVideo:
    case ts::Codec::kOther:
      break;
  }
  return AV_CODEC_ID_NONE;
}

CodecParametersPtr parameters_of(const ts::ElementaryStream& stream) {
  CodecParametersPtr parameters(avcodec_parameters_alloc());
  parameters->codec_id = av_codec_of(stream.codec);
  parameters->codec_type = avcodec_get_type(parameters->codec_id);
  if (stream.codec == ts::Codec::kOpus) describe_opus(*parameters, stream.descriptors);
  return parameters;
}

}  // namespace trickle
