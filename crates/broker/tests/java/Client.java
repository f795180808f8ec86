// The Java client against the log: creates, produces with every codec, consumes in a group, commits, looks up, lists, deletes.
// Ends with "all is well", or with an exception.

import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.*;

public class Client {
    static final int EACH = 500;
    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(String.valueOf(what));
    }

    static Properties properties(String servers) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", servers);
        properties.put("default.api.timeout.ms", "30000");
        return properties;
    }

    static void produce(String servers, String codec) throws Exception {
        Properties properties = properties(servers);
        properties.put("enable.idempotence", "true");
        properties.put("acks", "all");
        properties.put("linger.ms", "20");
        properties.put("compression.type", codec);
        try (var producer = new KafkaProducer<String, String>(properties, new StringSerializer(), new StringSerializer())) {
            List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = 0; n < EACH; n++) sent.add(producer.send(new ProducerRecord<>("java", 0, "key " + n, codec + " " + n)));
            for (var one : sent) check(one.get().hasTimestamp(), "a stamp");
        }
    }

    static KafkaConsumer<String, String> consumer(String servers) {
        Properties properties = properties(servers);
        properties.put("group.id", "java");
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    static void consume(String servers) {
        try (var consumer = consumer(servers)) {
            consumer.subscribe(List.of("java"));
            int expected = EACH * CODECS.size(), seen = 0;
            long until = System.nanoTime() + 60_000_000_000L;
            while (seen < expected) {
                check(System.nanoTime() < until, "only " + seen + " records came");
                for (var one : consumer.poll(Duration.ofMillis(200))) {
                    check(one.offset() == seen, "offset " + one.offset() + " after " + seen);
                    check(one.value().equals(CODECS.get(seen / EACH) + " " + seen % EACH), one.value());
                    check(one.timestampType() == org.apache.kafka.common.record.TimestampType.LOG_APPEND_TIME, one.timestampType());
                    seen++;
                }
            }
            consumer.commitSync();
            var partition = new TopicPartition("java", 0);
            check(consumer.committed(Set.of(partition)).get(partition).offset() == expected, "what was committed");
            check(consumer.endOffsets(List.of(partition)).get(partition) == expected, "the end");
            check(consumer.beginningOffsets(List.of(partition)).get(partition) == 0, "the beginning");
            check(consumer.offsetsForTimes(Map.of(partition, 1000L)).get(partition).offset() == 0, "the offset at a time");
        }
    }

    static void refuseTransactions(String servers) {
        Properties properties = properties(servers);
        properties.put("transactional.id", "t");
        properties.put("max.block.ms", "20000");
        try (var producer = new KafkaProducer<String, String>(properties, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            check(false, "a transaction began");
        } catch (org.apache.kafka.common.errors.AuthorizationException refused) {
            // As it should be: at once, and not by running out of time.
        }
    }

    static void administer(Admin admin) throws Exception {
        check(admin.listTopics().names().get().equals(Set.of("java", "empty")), "the names");
        check(admin.describeTopics(List.of("java")).allTopicNames().get().get("java").partitions().size() == 2, "the partitions");
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, "java");
        check(admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value().equals("3600000"), "the settings");
        var offsets = admin.listConsumerGroupOffsets("java").partitionsToOffsetAndMetadata().get();
        check(offsets.get(new TopicPartition("java", 0)).offset() == EACH * CODECS.size(), offsets);
        check(admin.listGroups().all().get().stream().anyMatch(group -> group.groupId().equals("java")), "the groups");
        check(admin.describeClassicGroups(List.of("java")).all().get().get("java").members().isEmpty(), "the members");
        var latest = admin.listOffsets(Map.of(new TopicPartition("java", 0), OffsetSpec.maxTimestamp())).all().get();
        check(latest.get(new TopicPartition("java", 0)).offset() >= 0, "the newest");
        try {
            admin.createTopics(List.of(new NewTopic("java", 1, (short) 1))).all().get();
            check(false, "a topic was created twice");
        } catch (java.util.concurrent.ExecutionException refused) {
            check(refused.getCause() instanceof org.apache.kafka.common.errors.TopicExistsException, refused.getCause());
        }
        admin.deleteTopics(List.of("empty")).all().get();
        check(admin.listTopics().names().get().equals(Set.of("java")), "the names after a deletion");
    }

    public static void main(String[] arguments) throws Exception {
        String servers = arguments[0];
        try (Admin admin = Admin.create(properties(servers))) {
            var topic = new NewTopic("java", 2, (short) 1).configs(Map.of("retention.ms", "3600000"));
            admin.createTopics(List.of(topic, new NewTopic("empty", Optional.empty(), Optional.empty()))).all().get();
            for (String codec : CODECS) produce(servers, codec);
            consume(servers);
            administer(admin);
        }
        refuseTransactions(servers);
        System.out.println("all is well");
    }
}
