import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/**
 * Applies the real transforms to the records of its input, one case per line, and prints what comes
 * out, one line per case and one per record. What it prints is defined together with the test that
 * reads it, tests/transforms.rs.
 */
public class TransformOracle {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            answer(JSON.readTree(line));
        }
        OUT.flush();
    }

    private static void answer(JsonNode testCase) {
        List<Step> chain;
        try {
            chain = chain(testCase.get("config"));
        } catch (Exception error) {
            OUT.println("refused\t" + oneLine(error));
            return;
        }
        OUT.println("accepted");
        JsonConverter key = converter(testCase.get("key_schemas").booleanValue(), true);
        JsonConverter value = converter(testCase.get("value_schemas").booleanValue(), false);
        for (JsonNode record : testCase.get("records")) {
            OUT.println(outcome(chain, key, value, record));
        }
    }

    private static String outcome(List<Step> chain, JsonConverter key, JsonConverter value, JsonNode record) {
        SinkRecord current;
        try {
            current = read(key, value, record);
        } catch (Exception error) {
            return "unreadable\t" + oneLine(error);
        }
        try {
            for (Step step : chain) {
                if (step.predicate != null && step.predicate.test(current) == step.negate) {
                    continue;
                }
                current = step.transformation.apply(current);
                if (current == null) {
                    return "dropped";
                }
            }
            return "record\t" + dump(current);
        } catch (Exception error) {
            return "failed\t" + oneLine(error);
        }
    }

    private static SinkRecord read(JsonConverter key, JsonConverter value, JsonNode record) {
        String topic = record.get("topic").textValue();
        SchemaAndValue readKey = convert(key, topic, record.get("key"));
        SchemaAndValue readValue = convert(value, topic, record.get("value"));
        ConnectHeaders headers = new ConnectHeaders();
        SimpleHeaderConverter simple = new SimpleHeaderConverter();
        for (JsonNode header : record.get("headers")) {
            String name = header.get(0).textValue();
            headers.add(name, simple.toConnectHeader(topic, name, bytes(header.get(1))));
        }
        Long timestamp = record.get("timestamp").isNull() ? null : record.get("timestamp").longValue();
        return new SinkRecord(topic, record.get("partition").intValue(), readKey.schema(), readKey.value(),
            readValue.schema(), readValue.value(), record.get("offset").longValue(), timestamp,
            TimestampType.CREATE_TIME, headers);
    }

    private static SchemaAndValue convert(JsonConverter converter, String topic, JsonNode text) {
        return text.isNull() ? SchemaAndValue.NULL : converter.toConnectData(topic, bytes(text));
    }

    private static byte[] bytes(JsonNode text) {
        return text.textValue().getBytes(StandardCharsets.UTF_8);
    }

    private static JsonConverter converter(boolean schemas, boolean isKey) {
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", schemas), isKey);
        return converter;
    }

    private record Step(Transformation<SinkRecord> transformation, Predicate<SinkRecord> predicate, boolean negate) {
    }

    private static List<Step> chain(JsonNode config) throws Exception {
        Map<String, String> keys = new HashMap<>();
        config.fields().forEachRemaining(entry -> keys.put(entry.getKey(), entry.getValue().textValue()));
        List<Step> chain = new ArrayList<>();
        for (String alias : keys.get("transforms").split(",")) {
            Map<String, String> own = below(keys, "transforms." + alias + ".");
            Transformation<SinkRecord> transformation = create(own.remove("type"));
            String named = own.remove("predicate");
            boolean negate = Boolean.parseBoolean(own.remove("negate"));
            transformation.configure(own);
            Predicate<SinkRecord> predicate = null;
            if (named != null) {
                Map<String, String> ofPredicate = below(keys, "predicates." + named + ".");
                predicate = create(ofPredicate.remove("type"));
                predicate.configure(ofPredicate);
            }
            chain.add(new Step(transformation, predicate, negate));
        }
        return chain;
    }

    private static Map<String, String> below(Map<String, String> keys, String prefix) {
        Map<String, String> own = new HashMap<>();
        keys.forEach((key, value) -> {
            if (key.startsWith(prefix)) {
                own.put(key.substring(prefix.length()), value);
            }
        });
        return own;
    }

    @SuppressWarnings("unchecked")
    private static <T> T create(String name) throws Exception {
        return (T) Class.forName(name).getDeclaredConstructor().newInstance();
    }

    private static String dump(ConnectRecord<?> record) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(quoted(header.key())).append('=').append(dump(header.value())).append(';');
        }
        return String.join("\t", quoted(record.topic()), String.valueOf(record.timestamp()),
            dump(record.keySchema()), dump(record.key()), dump(record.valueSchema()), dump(record.value()),
            headers.toString());
    }

    private static String dump(Schema schema) {
        if (schema == null) {
            return "-";
        }
        StringBuilder text = new StringBuilder(schema.type().getName());
        text.append(schema.isOptional() ? "?" : "!");
        if (schema.name() != null) {
            text.append('<').append(schema.name()).append('>');
        }
        if (schema.version() != null) {
            text.append('v').append(schema.version());
        }
        if (schema.doc() != null) {
            text.append("doc").append(quoted(schema.doc()));
        }
        if (schema.parameters() != null && !schema.parameters().isEmpty()) {
            text.append(new TreeMap<>(schema.parameters()));
        }
        if (schema.defaultValue() != null) {
            text.append('=').append(dump(schema.defaultValue()));
        }
        switch (schema.type()) {
            case ARRAY -> text.append('[').append(dump(schema.valueSchema())).append(']');
            case MAP -> text.append('{').append(dump(schema.keySchema())).append(',')
                .append(dump(schema.valueSchema())).append('}');
            case STRUCT -> {
                text.append('(');
                for (Field field : schema.fields()) {
                    text.append(quoted(field.name())).append(':').append(dump(field.schema())).append(',');
                }
                text.append(')');
            }
            default -> { }
        }
        return text.toString();
    }

    private static String dump(Object value) {
        if (value == null) {
            return "null";
        } else if (value instanceof Boolean) {
            return value.toString();
        } else if (value instanceof Byte) {
            return "i8:" + value;
        } else if (value instanceof Short) {
            return "i16:" + value;
        } else if (value instanceof Integer) {
            return "i32:" + value;
        } else if (value instanceof Long) {
            return "i64:" + value;
        } else if (value instanceof Float number) {
            return "f32:" + Integer.toHexString(Float.floatToIntBits(number));
        } else if (value instanceof Double number) {
            return "f64:" + Long.toHexString(Double.doubleToLongBits(number));
        } else if (value instanceof String text) {
            return quoted(text);
        } else if (value instanceof byte[] bytes) {
            return "bytes:" + Base64.getEncoder().encodeToString(bytes);
        } else if (value instanceof ByteBuffer buffer) {
            return "bytes:" + Base64.getEncoder().encodeToString(Arrays.copyOf(buffer.array(), buffer.limit()));
        } else if (value instanceof BigDecimal number) {
            return "decimal:" + number.toPlainString();
        } else if (value instanceof java.util.Date date) {
            return "date:" + date.getTime();
        } else if (value instanceof Collection<?> items) {
            StringBuilder text = new StringBuilder("[");
            items.forEach(item -> text.append(dump(item)).append(','));
            return text.append(']').toString();
        } else if (value instanceof Map<?, ?> map) {
            TreeMap<String, String> sorted = new TreeMap<>();
            map.forEach((name, item) -> sorted.put(dump(name), dump(item)));
            StringBuilder text = new StringBuilder("{");
            sorted.forEach((name, item) -> text.append(name).append(':').append(item).append(','));
            return text.append('}').toString();
        } else if (value instanceof Struct struct) {
            StringBuilder text = new StringBuilder("(");
            for (Field field : struct.schema().fields()) {
                text.append(quoted(field.name())).append(':').append(dump(struct.getWithoutDefault(field.name())))
                    .append(',');
            }
            return text.append(')').toString();
        }
        return "unknown:" + value.getClass().getName();
    }

    /** In JSON's way, every other character than plain ASCII escaped. */
    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char character : text.toCharArray()) {
            if (character >= ' ' && character <= '~' && character != '"' && character != '\\') {
                quoted.append(character);
            } else {
                quoted.append(String.format("\\u%04x", (int) character));
            }
        }
        return quoted.append('"').toString();
    }

    private static String oneLine(Exception error) {
        return error.getClass().getSimpleName() + ": " + String.valueOf(error.getMessage()).replaceAll("\\s+", " ");
    }
}
