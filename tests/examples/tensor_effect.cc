// Turns a stream into its negative with LibTorch: tensor_effect SUBSCRIBE_URL PUBLISH_URL
#include <trickle/torch.h>
#include <trickle/trickle.h>

int main(int, char** argv) {
  trickle::SimpleClient client{argv[1], argv[2]};
  // Shape [1,H,W,3], floats in [0,1], and the same back.
  return client.process([](torch::Tensor picture) { return 1 - picture; }) ? 0 : 1;
}
