package assay.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import tools.jackson.databind.json.JsonMapper;

/**
 * One HTML file that holds its styles, scripts and data, and is allowed to load nothing: a policy
 * in its head forbids every request. Data goes in as JSON that no text in it can leave.
 */
final class Page {
  private static final JsonMapper MAPPER = new JsonMapper();
  private static final String WEBJARS = "/META-INF/resources/webjars/";
  private static final String POLICY =
      "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

  private final String title;
  private final List<String> styles = new ArrayList<>();
  private final Map<String, Object> data = new LinkedHashMap<>();
  private final List<String> scripts = new ArrayList<>();

  Page(String title) {
    this.title = title;
    styles.add(own("page.css"));
  }

  /** A style sheet of this package. */
  Page style(String resource) {
    styles.add(own(resource));
    return this;
  }

  /** What the script finds as the element of that id. */
  Page data(String id, Object value) {
    data.put(id, value);
    return this;
  }

  /** A script of this package. */
  Page script(String resource) {
    scripts.add(own(resource));
    return this;
  }

  /** The plot library, its licence with it. */
  Page plots() {
    String version = version("d3");
    String folder = WEBJARS + "d3/" + version;
    String licence = text(folder + "/LICENSE");
    scripts.add("/*! d3 " + version + "\n" + licence + "*/\n" + text(folder + "/dist/d3.min.js"));
    return script("common.js");
  }

  /** The version that the build took. */
  private static String version(String library) {
    Properties versions = new Properties();
    try {
      versions.load(new StringReader(own("libraries.properties")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return String.valueOf(versions.getProperty(library));
  }

  /**
   * The whole file.
   *
   * @param body markup, whatever came from outside escaped
   */
  String html(String body) {
    StringBuilder out = new StringBuilder();
    out.append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n")
        .append("<meta http-equiv=\"Content-Security-Policy\" content=\"")
        .append(POLICY)
        .append("\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .append("<link rel=\"icon\" href=\"data:,\">\n<title>")
        .append(Html.escape(title))
        .append("</title>\n");
    styles.forEach(s -> out.append("<style>\n").append(s).append("</style>\n"));
    out.append("</head><body>\n").append(body).append('\n');
    data.forEach(
        (id, value) ->
            out.append("<script type=\"application/json\" id=\"")
                .append(Html.escape(id))
                .append("\">")
                .append(json(value))
                .append("</script>\n"));
    scripts.forEach(s -> out.append("<script>\n").append(inline(s)).append("</script>\n"));
    return out.append("</body></html>\n").toString();
  }

  /** JSON in which no character can end the element that holds it. */
  static String json(Object value) {
    return MAPPER
        .writeValueAsString(value)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029");
  }

  private static String inline(String script) {
    if (script.contains("</script") || script.contains("<!--")) {
      throw new IllegalStateException("a script of ours would end its own element");
    }
    return script;
  }

  private static String own(String resource) {
    return text("/assay/report/" + resource);
  }

  private static String text(String resource) {
    try (InputStream in = Page.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalStateException(
            resource + " is not on the class path: it comes with `mvn package`");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Markup of a resource of this package. */
  static String markup(String resource) {
    return own(resource);
  }
}
