package assay.cli;

import assay.measure.BuildInfo;
import picocli.CommandLine.IVersionProvider;

/** The line of {@code assay --version}. */
final class VersionProvider implements IVersionProvider {
  @Override
  public String[] getVersion() {
    BuildInfo build = BuildInfo.current();
    return new String[] {
      "assay %s (commit %s, Java %s)".formatted(build.version(), build.git(), Runtime.version())
    };
  }
}
