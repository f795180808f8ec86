package guild;

import com.netflix.appinfo.InstanceInfo;
import com.netflix.discovery.AbstractDiscoveryClientOptionalArgs;
import com.netflix.discovery.EurekaClient;
import com.netflix.discovery.Jersey3DiscoveryClientOptionalArgs;
import com.netflix.discovery.converters.wrappers.CodecWrapper;
import com.netflix.discovery.converters.wrappers.CodecWrappers;
import com.netflix.discovery.shared.Application;
import com.netflix.discovery.shared.Applications;
import com.netflix.discovery.shared.transport.jersey.TransportClientFactories;
import com.netflix.discovery.shared.transport.jersey3.Jersey3TransportClientFactories;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.web.servlet.context.ServletWebServerInitializedEvent;
import org.springframework.cloud.netflix.eureka.serviceregistry.EurekaRegistration;
import org.springframework.cloud.netflix.eureka.serviceregistry.EurekaServiceRegistry;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** A service as others write it: nothing in it knows of Guildhall. Its name, port and registry come from the command line. */
@SpringBootApplication
@RestController
public class Joins {
  private final EurekaClient eureka;
  private final EurekaServiceRegistry registry;
  private final EurekaRegistration registration;

  Joins(EurekaClient eureka, EurekaServiceRegistry registry, EurekaRegistration registration) {
    this.eureka = eureka;
    this.registry = registry;
    this.registration = registration;
  }

  public static void main(String[] arguments) {
    SpringApplication.run(Joins.class, arguments);
  }

  /** Netflix' own transport instead of Spring's, as services have it that did not move on. */
  @Configuration
  @ConditionalOnProperty("eureka.client.jersey.enabled")
  static class Jersey {
    @Bean
    TransportClientFactories<?> transport() {
      return new Jersey3TransportClientFactories();
    }

    @Bean
    AbstractDiscoveryClientOptionalArgs<?> optionalArguments() {
      return new Jersey3DiscoveryClientOptionalArgs();
    }
  }

  @EventListener
  void listening(ServletWebServerInitializedEvent event) {
    System.out.println("listening on " + event.getWebServer().getPort());
  }

  @GetMapping("/joins/hello")
  Map<String, Object> hello(@RequestParam(defaultValue = "you") String name) {
    return Map.of("hello", name, "instance", registration.getInstanceConfig().getInstanceId());
  }

  @PostMapping("/joins/echo")
  String echo(@RequestBody String body, @RequestHeader Map<String, String> headers) {
    return body;
  }

  /** Everyone this client knows of, by what it fetched. */
  @GetMapping("/joins/seen")
  Map<String, Object> seen() {
    List<Map<String, Object>> instances = new ArrayList<>();
    for (Application application : eureka.getApplications().getRegisteredApplications()) {
      for (InstanceInfo instance : application.getInstancesAsIsFromEureka()) {
        instances.add(Map.of(
            "app", application.getName(),
            "id", instance.getInstanceId(),
            "status", instance.getStatus().name(),
            "port", instance.getPort(),
            "address", instance.getIPAddr(),
            "metadata", instance.getMetadata()));
      }
    }
    return Map.of("hash", eureka.getApplications().getAppsHashCode(), "instances", instances);
  }

  /** Registers this instance once more and fetches everyone, in XML by Netflix' own codec; the clients above send JSON. */
  @PostMapping("/joins/xml")
  String xml(@RequestParam String url, @RequestParam String authorization) throws Exception {
    HttpClient client = HttpClient.newHttpClient();
    CodecWrapper codec = CodecWrappers.getCodec(CodecWrappers.XStreamXml.class);
    InstanceInfo own = registration.getApplicationInfoManager().getInfo();
    HttpRequest.Builder register = HttpRequest.newBuilder(URI.create(url + "apps/" + own.getAppName()))
        .header("Authorization", authorization).header("Content-Type", "application/xml")
        .POST(HttpRequest.BodyPublishers.ofString(codec.encode(own)));
    int registered = client.send(register.build(), HttpResponse.BodyHandlers.discarding()).statusCode();
    HttpRequest fetch = HttpRequest.newBuilder(URI.create(url + "apps/"))
        .header("Authorization", authorization).header("Accept", "application/xml").build();
    Applications all = codec.decode(client.send(fetch, HttpResponse.BodyHandlers.ofString()).body(), Applications.class);
    InstanceInfo told = all.getRegisteredApplications(own.getAppName()).getByInstanceId(own.getInstanceId());
    boolean same = told.getPort() == own.getPort() && told.getMetadata().equals(own.getMetadata()) && told.getStatus() == own.getStatus()
        && told.getLeaseInfo().getDurationInSecs() == own.getLeaseInfo().getDurationInSecs() && told.getVIPAddress().equals(own.getVIPAddress());
    return registered + " " + all.getReconcileHashCode().equals(all.getAppsHashCode()) + " " + same;
  }

  /** Sets a status over this instance's own, or takes it away with CANCEL_OVERRIDE, as the actuator does. */
  @PostMapping("/joins/status")
  void status(@RequestParam String value) {
    registry.setStatus(registration, value);
  }
}
