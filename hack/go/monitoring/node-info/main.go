// Command node-info serves kube_node_info as kube-state-metrics does: a series for each node of the
// cluster, which the alert NodeHasIntegrityFailure joins. That is all that the alert needs of
// kube-state-metrics, whose module cannot be built everywhere.
//
// It asks the API server at each scrape, as the ServiceAccount that its pod runs as.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

type nodeList struct {
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Status struct {
			NodeInfo struct {
				KernelVersion  string `json:"kernelVersion"`
				KubeletVersion string `json:"kubeletVersion"`
				OSImage        string `json:"osImage"`
			} `json:"nodeInfo"`
		} `json:"status"`
	} `json:"items"`
}

func main() {
	client, err := apiClient()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		nodes, err := list(client)
		if err != nil {
			log.Print(err)
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		write(w, nodes)
	})
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func apiClient() (*http.Client, error) {
	ca, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("no certificate in %sca.crt", account)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}, nil
}

// list reads the token for each request, because the kubelet rotates it.
func list(client *http.Client) (nodeList, error) {
	var nodes nodeList
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return nodes, err
	}
	host := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	request, err := http.NewRequest(http.MethodGet, "https://"+host+"/api/v1/nodes", nil)
	if err != nil {
		return nodes, err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	answer, err := client.Do(request)
	if err != nil {
		return nodes, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nodes, fmt.Errorf("list nodes: %s", answer.Status)
	}
	return nodes, json.NewDecoder(answer.Body).Decode(&nodes)
}

// write uses Go's quoting, which is compatible with the text format for these values.
func write(w io.Writer, nodes nodeList) {
	fmt.Fprintln(w, "# HELP kube_node_info Information about a cluster node.")
	fmt.Fprintln(w, "# TYPE kube_node_info gauge")
	for _, node := range nodes.Items {
		info := node.Status.NodeInfo
		fmt.Fprintf(w, "kube_node_info{node=%q,kernel_version=%q,os_image=%q,kubelet_version=%q} 1\n",
			node.Metadata.Name, info.KernelVersion, info.OSImage, info.KubeletVersion)
	}
}
