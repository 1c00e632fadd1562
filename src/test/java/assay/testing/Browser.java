package assay.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A headless Chromium of the distribution, spoken to in its own DevTools protocol over the JDK's
 * WebSocket: no driver program and no downloaded browser. It listens from the first moment for
 * errors in the console and for requests.
 */
public final class Browser implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final JsonMapper MAPPER = new JsonMapper();

  private final Process process;
  private final Path profile;
  private final WebSocket socket;
  private final Map<Integer, CompletableFuture<JsonNode>> replies = new ConcurrentHashMap<>();
  private final List<String> errors = new CopyOnWriteArrayList<>();
  private final List<String> requests = new CopyOnWriteArrayList<>();
  private volatile CompletableFuture<Void> loaded = new CompletableFuture<>();
  private int lastId;

  /** Starts one, or skips the test where there is none. */
  public static Browser start() {
    return new Browser(Requires.tool("chromium"));
  }

  private Browser(Path chromium) {
    try {
      profile = Files.createTempDirectory("assay-chromium");
      process =
          new ProcessBuilder(
                  chromium.toString(),
                  "--headless",
                  "--no-sandbox",
                  "--disable-gpu",
                  "--disable-dev-shm-usage",
                  "--disable-quic",
                  "--no-first-run",
                  "--disable-background-networking",
                  "--disable-component-update",
                  "--disable-sync",
                  "--hide-scrollbars",
                  "--user-data-dir=" + profile,
                  "--remote-debugging-port=0",
                  "about:blank")
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      socket =
          HttpClient.newHttpClient()
              .newWebSocketBuilder()
              .buildAsync(URI.create(pageAddress(awaitPort())), new Listener())
              .get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (ReflectiveOperationException
        | InterruptedException
        | java.util.concurrent.ExecutionException
        | java.util.concurrent.TimeoutException e) {
      throw new IllegalStateException("Chromium does not answer", e);
    }
    for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
      send(domain + ".enable", Map.of());
    }
    // Focus events come as in a window that somebody looks at.
    send("Emulation.setFocusEmulationEnabled", Map.of("enabled", true));
  }

  private int awaitPort() throws IOException, InterruptedException {
    Path file = profile.resolve("DevToolsActivePort");
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (System.nanoTime() < end && process.isAlive()) {
      if (Files.exists(file)) {
        List<String> lines = Files.readAllLines(file);
        if (lines.size() > 1) {
          return Integer.parseInt(lines.getFirst());
        }
      }
      Thread.sleep(20);
    }
    throw new IllegalStateException("Chromium opened no port (exit " + process + ")");
  }

  private static String pageAddress(int port)
      throws IOException, InterruptedException, ReflectiveOperationException {
    HttpClient client = HttpClient.newBuilder().proxy(HttpClient.Builder.NO_PROXY).build();
    URI list = URI.create("http://127.0.0.1:" + port + "/json/list");
    for (int i = 0; i < 200; i++) {
      HttpResponse<String> r =
          client.send(HttpRequest.newBuilder(list).build(), HttpResponse.BodyHandlers.ofString());
      for (JsonNode target : MAPPER.readTree(r.body())) {
        if (target.at("/type").asString().equals("page")) {
          return target.at("/webSocketDebuggerUrl").asString();
        }
      }
      Thread.sleep(20);
    }
    throw new IllegalStateException("Chromium has no page");
  }

  private final class Listener implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
      text.append(data);
      if (last) {
        receive(MAPPER.readTree(text.toString()));
        text.setLength(0);
      }
      socket.request(1);
      return null;
    }
  }

  private void receive(JsonNode message) {
    CompletableFuture<JsonNode> reply =
        message.has("id") ? replies.remove(message.get("id").intValue()) : null;
    if (reply != null) {
      reply.complete(message);
      return;
    }
    switch (message.at("/method").asString()) {
      case "Page.loadEventFired" -> loaded.complete(null);
      case "Runtime.exceptionThrown" ->
          errors.add(message.at("/params/exceptionDetails/exception/description").asString());
      case "Runtime.consoleAPICalled" -> {
        String type = message.at("/params/type").asString();
        if (type.equals("error") || type.equals("warning") || type.equals("assert")) {
          errors.add(message.at("/params/args").toString());
        }
      }
      case "Log.entryAdded" -> errors.add(message.at("/params/entry/text").asString());
      case "Network.requestWillBeSent" ->
          requests.add(message.at("/params/request/url").asString());
      default -> {} // events that nobody asked about
    }
  }

  /** One command of the protocol and its result. */
  public JsonNode send(String method, Map<String, ?> parameters) {
    Map<String, Object> message = new LinkedHashMap<>();
    CompletableFuture<JsonNode> reply = new CompletableFuture<>();
    int id = ++lastId;
    message.put("id", id);
    message.put("method", method);
    message.put("params", parameters);
    replies.put(id, reply);
    try {
      socket
          .sendText(MAPPER.writeValueAsString(message), true)
          .get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      JsonNode r = reply.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      if (r.has("error")) {
        throw new IllegalStateException(method + ": " + r.get("error"));
      }
      return r.get("result");
    } catch (InterruptedException
        | java.util.concurrent.ExecutionException
        | java.util.concurrent.TimeoutException e) {
      throw new IllegalStateException(method + " was not answered", e);
    }
  }

  /** Opens a file and waits until it is loaded. */
  public void open(Path file) {
    loaded = new CompletableFuture<>();
    errors.clear();
    requests.clear();
    send("Page.navigate", Map.of("url", file.toUri().toString()));
    try {
      loaded.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    } catch (InterruptedException
        | java.util.concurrent.ExecutionException
        | java.util.concurrent.TimeoutException e) {
      throw new IllegalStateException(file + " was not loaded", e);
    }
  }

  /** The value of an expression in the page; a promise is waited for. */
  public JsonNode eval(String expression) {
    JsonNode r =
        send(
            "Runtime.evaluate",
            Map.of("expression", expression, "returnByValue", true, "awaitPromise", true));
    if (r.has("exceptionDetails")) {
      throw new IllegalStateException(expression + ": " + r.get("exceptionDetails"));
    }
    return r.at("/result/value");
  }

  /** Waits until an expression is true. */
  public void await(String condition) {
    eval(
        """
        new Promise((yes, no) => { const end = Date.now() + 20000; (function look() {
          if (%s) yes(true); else if (Date.now() > end) no(new Error('waited in vain')); else setTimeout(look, 10);
        })(); })
        """
            .formatted(condition));
  }

  /** Presses a key such as Tab, Enter or ArrowRight. */
  public void press(String key, int code) {
    Map<String, Object> p = new LinkedHashMap<>();
    p.put("type", "keyDown");
    p.put("key", key);
    p.put("code", key);
    p.put("windowsVirtualKeyCode", code);
    if (key.equals("Enter")) {
      p.put("text", "\r");
    }
    send("Input.dispatchKeyEvent", p);
    p.put("type", "keyUp");
    p.remove("text");
    send("Input.dispatchKeyEvent", p);
  }

  /** The window's size in CSS pixels. */
  public void size(int width, int height) {
    send(
        "Emulation.setDeviceMetricsOverride",
        Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", false));
  }

  /** {@code screen} or {@code print}, {@code light} or {@code dark}. */
  public void media(String media, String colors) {
    Map<String, String> scheme = Map.of("name", "prefers-color-scheme", "value", colors);
    send("Emulation.setEmulatedMedia", Map.of("media", media, "features", List.of(scheme)));
  }

  /**
   * Where ASSAY_PICTURES names a folder, what the page looks like there, for people: on the screen
   * in light and dark, on a phone and on paper.
   */
  public void pictures(String name, int height) {
    String folder = System.getenv("ASSAY_PICTURES");
    if (folder != null) {
      picture(Path.of(folder, name + "-light.png"), 1280, height, "screen", "light");
      picture(Path.of(folder, name + "-dark.png"), 1280, height, "screen", "dark");
      picture(Path.of(folder, name + "-phone.png"), 390, height, "screen", "light");
      picture(Path.of(folder, name + "-paper.png"), 800, height, "print", "light");
    }
  }

  private void picture(Path png, int width, int height, String media, String colors) {
    size(width, height);
    media(media, colors);
    eval("new Promise(yes => setTimeout(() => yes(1), 700))"); // plots follow the window
    JsonNode shot = send("Page.captureScreenshot", Map.of("format", "png"));
    try {
      Files.createDirectories(png.getParent());
      Files.write(png, Base64.getDecoder().decode(shot.get("data").asString()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Errors and warnings of the console since the last {@link #open}. */
  public List<String> errors() {
    return new ArrayList<>(errors);
  }

  /** Addresses that the page asked for since the last {@link #open}, but for the file itself. */
  public List<String> foreignRequests() {
    return requests.stream().filter(r -> !r.startsWith("file:") && !r.startsWith("data:")).toList();
  }

  @Override
  public void close() {
    try {
      socket.abort();
      process.destroy();
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
      }
      try (var files = Files.walk(profile)) {
        files.sorted(java.util.Comparator.reverseOrder()).forEach(f -> f.toFile().delete());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
