package assay.results;

import com.fasterxml.jackson.annotation.JsonInclude;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

/** How rows become JSON: snake_case, in the order of the components, nulls absent. */
public final class ResultJson {
  private static final ObjectMapper MAPPER =
      JsonMapper.builder()
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
          .changeDefaultPropertyInclusion(i -> i.withValueInclusion(JsonInclude.Include.NON_NULL))
          .build();

  private ResultJson() {}

  /** The mapper, for those who put rows into larger documents. */
  public static ObjectMapper mapper() {
    return MAPPER;
  }

  /** One row as one line, without the line's end. */
  public static String line(ResultRow row) {
    return MAPPER.writeValueAsString(row);
  }
}
