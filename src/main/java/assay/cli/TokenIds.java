package assay.cli;

import assay.model.UserError;

/** Token ids on the command line. */
final class TokenIds {
  private TokenIds() {}

  /**
   * Ids separated by commas or spaces.
   *
   * @throws UserError naming the option and the word that is no id
   */
  static int[] parse(String option, String text) {
    String[] words = text.strip().split("[,\\s]+");
    int[] ids = new int[text.isBlank() ? 0 : words.length];
    for (int i = 0; i < ids.length; i++) {
      try {
        ids[i] = Integer.parseInt(words[i]);
      } catch (NumberFormatException e) {
        throw new UserError(
            "%s: '%s' is no token id: expected numbers such as 1,2,3".formatted(option, words[i]));
      }
    }
    return ids;
  }
}
