package assay.claims;

import static assay.claims.Finding.numbers;

import assay.results.Experiment;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** K1, K2: tokens and storage; D1, D2: larger than one device. */
final class TokenClaims {
  private static final String TOKENS = "assay claims --measure --tokenizer MODEL --text-file FILE";

  /** A Chinese character is 3 bytes: below half of it tokens are bytes, not characters. */
  private static final double KNOWS_CHINESE = 1.5;

  private TokenClaims() {}

  static Map<String, Examiner> examiners() {
    return Map.of(
        "K1", TokenClaims::characters,
        "K2",
            e ->
                Finding.reference(
                    numbers(
                        "vocabulary",
                        "Baichuan-7B 64,000; LLaMA 32,000; Falcon 65,024; mpt-7B 50,254;"
                            + " ChatGLM 130,344; moss-moon-003 106,029",
                        "compress_rate",
                        "0.737; 1.312; 1.049; 1.206; 0.631; 0.659"),
                    "Other people's tokenizers and text: the rate of a tokenizer at hand is"
                        + " measured by assay tokens MODEL --text-file FILE"),
        "D1", e -> sharding(),
        "D2",
            e ->
                Finding.reference(
                    numbers(),
                    "Xue et al. 2023 (To Repeat or Not To Repeat): testing it means training to the"
                        + " end several times"));
  }

  private static Finding characters(Evidence evidence) {
    Map<String, Object> predicted =
        numbers(
            "characters_per_token_low",
            1.4,
            "characters_per_token_high",
            1.7,
            "bytes_per_1e9_tokens",
            3e9);
    String arithmetic =
        "1.4 to 1.7 characters of 2 bytes are 2.8 to 3.4 GB for 1e9 tokens; the source calls that"
            + " UTF-8, which takes 3 bytes for a Chinese character: 4.2 to 5.1 GB. ";
    Optional<Experiment> telling =
        evidence.experiment("K1", e -> number(e, "utf8_bytes_per_token") >= KNOWS_CHINESE);
    if (telling.isPresent()) {
      return judged(telling.get(), predicted, arithmetic);
    }
    String needed =
        "Needs a tokenizer that knows Chinese (Qwen, Baichuan, ChatGLM, …: any folder or GGUF file"
            + " with one), and may have a text of yours";
    return evidence
        .experiment("K1")
        .map(
            e ->
                new Finding(
                    Verdict.NOT_MEASURED,
                    predicted,
                    new LinkedHashMap<>(e.values()),
                    arithmetic
                        + "%s: it cuts Chinese into %.2f bytes a token, it has no entries for it, so it says nothing of the claim. %s"
                            .formatted(e.setting(), number(e, "utf8_bytes_per_token"), needed),
                    TOKENS))
        .orElseGet(() -> Finding.notMeasured(predicted, arithmetic + needed, TOKENS));
  }

  private static double number(Experiment e, String name) {
    return e.values().getOrDefault(name, Double.NaN);
  }

  private static Finding judged(Experiment e, Map<String, Object> predicted, String arithmetic) {
    double characters = number(e, "characters_per_token");
    double bytes = number(e, "bytes_per_1e9_tokens");
    boolean inBand = characters >= 1.4 && characters <= 1.7;
    boolean threeGb = Math.abs(bytes / 3e9 - 1) <= 0.1;
    return new Finding(
        inBand && threeGb ? Verdict.HOLDS : Verdict.FAILS,
        predicted,
        new LinkedHashMap<>(e.values()),
        arithmetic
            + "Measured: %.2f characters a token (%s 1.4 to 1.7), %.2f bytes a token: 1e9 tokens are %.2f GB against 3; %s"
                .formatted(
                    characters,
                    inBand ? "inside" : "outside",
                    number(e, "utf8_bytes_per_token"),
                    bytes / 1e9,
                    e.setting()),
        TOKENS);
  }

  /** Mixed-precision Adam, 16 bytes a parameter, ring collectives (Rajbhandari et al. 2020, §7). */
  private static Finding sharding() {
    double n = 7e9;
    int gpus = 8;
    double ring = 2.0 * (gpus - 1) / gpus;
    return Finding.notMeasured(
        numbers(
            "ddp_bytes_per_gpu", 16 * n,
            "fsdp_bytes_per_gpu", 16 * n / gpus,
            "ddp_traffic_bytes_per_step", ring * 2 * n,
            "fsdp_traffic_bytes_per_step", 1.5 * ring * 2 * n),
        "Predicted for 7B on 8 GPUs without activations: an eighth of the memory for 1.5 × the"
            + " traffic. Needs a host with more than one GPU",
        "assay estimate llama-2-7b --train --devices 8");
  }
}
