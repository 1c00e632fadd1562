package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Steps of every kind from the command line: the bytes allocated are the bytes predicted. */
class TrainCommandTest {
  @TempDir Path folder;
  private String model = "";

  @BeforeEach
  void write() throws IOException {
    model =
        Files.writeString(
                folder.resolve("small.json"),
                """
                {"model_type":"llama","num_hidden_layers":2,"hidden_size":64,"intermediate_size":96,
                 "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":97,
                 "max_position_embeddings":64,"rms_norm_eps":1e-5,"tie_word_embeddings":false}
                """)
            .toString();
  }

  private CommandRun train(String options) {
    List<String> command =
        new ArrayList<>(List.of("train", model, "--random-tokens", "--steps", "1", "--threads"));
    command.addAll(List.of("2", "--batch", "2", "--context", "13"));
    command.addAll(List.of(options.strip().split(" +")));
    return CommandRun.of(command.toArray(String[]::new));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--optimizer sgd",
        "--optimizer sgd-momentum --recompute",
        "--precision bf16 --gradients fp32 --recompute full",
        "--precision fp16 --optimizer adam --stored-scores --recompute selective",
        "--lora 4 --lora-targets q,v",
        "--precision bf16 --qlora int4 --recompute"
      })
  void predictedBytesAreAllocated(String options) {
    JsonNode d = train(options + " --json").document();
    for (String category : List.of("weights", "gradients", "optimizer", "activations")) {
      String name = category + "_bytes";
      JsonNode predicted = d.get("estimate").get(name);
      JsonNode allocated = d.get("measured").get(name);
      // Plain SGD allocates nothing to keep.
      assertEquals(predicted.longValue(), allocated == null ? 0 : allocated.longValue(), category);
    }
    boolean lora = options.contains("lora");
    assertEquals(lora, d.get("trained_parameters").longValue() < d.get("parameters").longValue());
    assertTrue(d.get("first_loss").doubleValue() > 4, "97 tokens, about equally probable");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--optimizer lion",
        "--precision int8",
        "--recompute some",
        "--qlora fp16",
        "--lora 64",
        "--lora 0",
        "--lora 4 --stored-scores",
        "--lora 4 --lora-targets head",
        "--out x.gguf"
      })
  void wrongUseIsOneLine(String options) {
    train(options).error(2);
  }

  @Test
  void withoutATextItSaysWhatItNeeds() {
    assertTrue(CommandRun.of("train", model).error(2).contains("--random-tokens"));
  }
}
